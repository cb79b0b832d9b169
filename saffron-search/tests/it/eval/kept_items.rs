//! What records keep of the items that they are of, and what a comparison says of public sets.

use std::fs;

use saffron_search::eval::comparison::prepare;
use saffron_search::eval::judge::Asked;
use saffron_search::eval::runs::{Record, Shard};
use serde_json::{Value, json};

use super::comparison::{World, settings, timeless};

/// Attacks with goals, and questions under templates, in a configuration that keeps text or not.
fn world(keep_text: bool) -> World {
    let mut settings = settings();
    settings["keep_text"] = json!(keep_text);
    let columns = json!({ "prompt": "prompt", "goal": "goal", "category": "kind", "empty": "drop" });
    settings["data"] = json!([
        { "name": "attacks", "path": "attacks.csv", "format": { "columns": columns } },
        { "name": "asked", "path": "asked.jsonl", "format": "prompts", "take": 1, "templates": "t.csv", "template_column": "words" },
    ]);
    let world = World::new(settings, &["How so?"]);
    let rows = "goal,prompt,kind\nBrew tea,You are Tea. Brew.,kitchen\nBrew milk,,kitchen\nCut wood,Cut wood,\n";
    fs::write(world.at("attacks.csv"), rows).unwrap();
    fs::write(world.at("t.csv"), "id,words\nx,Say: {{ prompt }}\ny,{prompt} Please.\n").unwrap();
    world
}

fn of<'a>(records: &'a [Record], prompt: &str) -> &'a Record {
    records.iter().find(|record| record.key.prompt == prompt && record.key.strategy == "greedy").unwrap()
}

#[test]
fn records_keep_category_template_and_with_keep_text_the_attacked_prompt() {
    for keep_text in [true, false] {
        let world = world(keep_text);
        let (run, report) = world.run("run", Shard::WHOLE).unwrap();
        let kept = |prompt: &str| {
            let Record { category, template, prompt, .. } = of(&report.records, prompt).clone();
            (category, template, prompt)
        };
        let text = |text: &str| keep_text.then(|| text.to_owned());
        let kitchen = Some(String::from("kitchen"));
        assert_eq!(kept("attacks/0"), (kitchen, None, text("You are Tea. Brew.")));
        assert_eq!(kept("attacks/2"), (None, None, text("Cut wood")));
        assert_eq!(kept("asked/q0/0"), (None, Some("0".into()), text("Say: How so?")));
        assert_eq!(kept("asked/q0/1"), (None, Some("1".into()), text("How so? Please.")));
        assert_eq!(run.records().unwrap(), report.records, "they read back");
    }
}

#[test]
fn records_of_earlier_versions_are_read_and_gone_on_with() {
    let world = world(false);
    let (_, report) = world.run("run", Shard::WHOLE).unwrap();
    let records = world.at("run").join("records.jsonl");
    let lines = fs::read_to_string(&records).unwrap();
    let old = lines.lines().take(5).map(|line| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        for field in ["category", "template", "prompt"] {
            record.as_object_mut().unwrap().remove(field);
        }
        format!("{record}\n")
    });
    fs::write(&records, old.collect::<String>()).unwrap();
    let (_, again) = world.run("run", Shard::WHOLE).unwrap();
    let bare = |records: &[Record]| {
        let bare = |record: Record| Record { category: None, template: None, ..record };
        timeless(records).into_iter().map(bare).collect::<Vec<_>>()
    };
    assert_eq!(bare(&again.records), bare(&report.records));
    assert_eq!(of(&again.records, "attacks/0").category, None, "what was written stays");
}

#[test]
fn what_is_left_out_of_a_data_set_is_told_by_its_name() {
    let world = world(false);
    let models = world.models();
    let prepared = prepare(&world.config, models.policy()).unwrap();
    let told: Vec<String> = prepared.left_out().iter().map(|(set, left_out)| format!("{set}: {left_out}")).collect();
    assert_eq!(told, ["attacks: left out: 1 row without a prompt"]);
}

#[test]
fn judges_are_asked_about_the_goal_where_the_prompt_is_an_attack() {
    let world = world(false);
    assert!(world.config.judges.iter().all(|judge| judge.asked == Some(Asked::Question)));
    let prepared = prepare(&world.config, world.models().policy()).unwrap();
    let question = |id: &str| prepared.case(id).unwrap().question.as_ref().map(|question| question.prompt().len());
    // One token a byte.
    assert_eq!((question("attacks/0"), question("attacks/2")), (Some("Brew tea".len()), None));
    let mut without = settings();
    without["data"][0]["format"] = json!({ "columns": { "prompt": "goal", "goal": "goal" } });
    let config = World::new(without, &["How so?"]).config;
    assert!(config.judges.iter().all(|judge| judge.asked.is_none()), "nothing differs from the question");
}

#[test]
fn a_public_set_is_of_its_own_kind_and_a_column_of_no_templates_is_refused() {
    let refused = |data: Value| {
        let mut settings = settings();
        settings["data"] = json!([data]);
        let config: saffron_search::eval::comparison::ComparisonConfig = serde_json::from_value(settings).unwrap();
        config.check().map_err(|error| saffron_core::with_causes(&error))
    };
    let of = |format: &str, benign: bool| {
        refused(json!({ "name": "x", "path": "x.csv", "format": format, "benign": benign }))
    };
    assert_eq!(
        of("xstest", false).unwrap_err(),
        "the data set x: the prompts of format \"xstest\" are harmless: set benign = true"
    );
    assert_eq!(
        of("advbench", true).unwrap_err(),
        "the data set x: the prompts of format \"advbench\" are harmful: leave benign out"
    );
    for (format, benign) in [("xstest", true), ("advbench", false), ("or-bench", false), ("or-bench", true)] {
        of(format, benign).unwrap();
    }
    let column = json!({ "name": "x", "path": "x.csv", "format": "prompts", "template_column": "t" });
    assert_eq!(refused(column).unwrap_err(), "the data set x has template_column, and no templates");
    let pattern = json!({ "name": "x", "path": "x.csv", "format": { "columns": { "prompt": "{a" } } });
    assert!(refused(pattern).unwrap_err().contains("the data set x, format: {a: a `{` that no `}` closes"));
    // A template around the question would drop the attack that the file's prompt is.
    let attack = json!({ "kind": "template", "text": "Say: {prompt}" });
    let dropped = json!({ "name": "x", "path": "x.csv", "format": "attacks", "attack": attack });
    assert!(refused(dropped).unwrap_err().contains("drops what was done to the prompt before it"));
}
