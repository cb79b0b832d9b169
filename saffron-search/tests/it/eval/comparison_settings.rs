//! What a comparison's configuration is refused for, and which prompts it asks.

use std::fmt::Write as _;
use std::path::Path;

use saffron_core::with_causes;
use saffron_search::eval::comparison::{ComparisonConfig, ComparisonConfigError, DataConfig, items};
use saffron_search::eval::data::Item;
use saffron_search::eval::judge::Asked;
use saffron_search::eval::models::JudgeModelSettings;
use serde_json::{Value, json};

use super::comparison::settings;

/// A configuration with some of its JSON changed. Nothing of it is opened.
fn changed(change: impl FnOnce(&mut Value)) -> ComparisonConfig {
    let mut settings = settings();
    change(&mut settings);
    serde_json::from_value(settings).unwrap()
}

/// Why a configuration is refused, with the causes.
fn refused(change: impl FnOnce(&mut Value)) -> String {
    with_causes(&changed(change).check().unwrap_err())
}

/// Why a second strategy is refused.
fn strategy(strategy: Value) -> Result<(), ComparisonConfigError> {
    changed(|settings| settings["strategies"][1] = strategy).check()
}

fn why(refusal: Result<(), ComparisonConfigError>) -> String {
    with_causes(&refusal.unwrap_err())
}

#[test]
fn a_strategy_that_needs_a_reward_model_and_names_none_is_refused() {
    let guided =
        ["step-beam", "dvts", "rebase", "particle-filter", "deal", "mcts", "args", "reward-sampling", "saffron"];
    for kind in guided {
        let error = why(strategy(json!({ "name": "other", "strategy": { "kind": kind } })));
        assert!(error.contains("the strategy other at 1 needs a reward model"), "{kind}: {error}");
        strategy(json!({ "name": "other", "strategy": { "kind": kind }, "reward": "guard" })).unwrap();
    }
    let best =
        |budgets: &[u64]| strategy(json!({ "name": "other", "strategy": { "kind": "best-of-n" }, "budgets": budgets }));
    assert!(why(best(&[1, 16])).contains("the strategy other at 16 needs a reward model"));
    best(&[1]).unwrap();
    strategy(json!({ "name": "other", "strategy": { "kind": "sampling" } })).unwrap();
    let missing = why(strategy(json!({ "name": "other", "strategy": { "kind": "greedy" }, "reward": "mrn" })));
    assert_eq!(missing, "the strategy other wants the reward model mrn, which the file does not have");
}

#[test]
fn settings_that_no_search_can_run_with_are_refused_by_field() {
    let saffron = |field: &str, value: Value| {
        let mut saffron = json!({ "name": "other", "strategy": { "kind": "saffron" }, "reward": "guard" });
        saffron[field] = value;
        why(strategy(saffron))
    };
    let cases = [
        ("filter", json!({ "top_p": 80.0 }), "the strategy other, filter: top_p must lie in (0, 1], found 80"),
        ("filter", json!({ "temperature": 0.0 }), "filter: temperature must be finite and above 0, found 0"),
        ("filter", json!({ "min_p": -0.5 }), "filter: min_p must lie in [0, 1], found -0.5"),
        ("budgets", json!([0]), "the strategy other, strategy at 0: width must be at least 1, found 0"),
        ("budgets", json!([4, 4]), "the strategy other has a budget twice: [4, 4]"),
        ("budgets", json!([]), "the strategy other has no budgets"),
        (
            "thresholds",
            json!({ "unsafe_below": 1.0, "safe_from": 0.0 }),
            "the strategy other, thresholds: unsafe_below must not",
        ),
    ];
    for (field, value, says) in cases {
        let error = saffron(field, value);
        assert!(error.contains(says), "{field}: {error}");
    }
    let own = json!({ "name": "other", "strategy": { "kind": "args", "temperature": 0.0 }, "reward": "guard" });
    let error = why(strategy(own));
    assert!(error.contains("the strategy other, strategy at 1: temperature must be finite and above 0"), "{error}");
    let error = why(strategy(json!({ "name": "other", "strategy": { "kind": "greedy" }, "budgets": [2] })));
    assert_eq!(error, "the strategy other has no budget to set");
    for (limit, found) in [(0.0, "0"), (-1.0, "-1")] {
        let error = refused(|settings| settings["limit_tflop"] = json!(limit));
        assert_eq!(error, format!("limit_tflop must be finite and above 0, found {found}"));
    }
    for field in ["group", "max_new_tokens"] {
        assert_eq!(refused(|settings| settings[field] = json!(0)), format!("{field} must be at least 1, found 0"));
    }
    for field in ["take", "sample"] {
        let error = refused(|settings| settings["data"][1][field] = json!(0));
        assert_eq!(error, format!("the data set harmless: {field} must be at least 1, found 0"));
    }
    for (field, says) in [("judges", "at least one judge"), ("data", "data and"), ("strategies", "data and strategies")]
    {
        let error = refused(|settings| settings[field] = json!([]));
        assert!(error.starts_with(&format!("a comparison needs {says}")), "{error}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let with = |change: fn(&mut ComparisonConfig)| {
        let mut config = changed(|_| {});
        change(&mut config);
        why(config.check())
    };
    let error = with(|config| config.strategies[1].filter.top_p = Some(f32::NAN));
    assert_eq!(error, "the strategy beam, filter: top_p must lie in (0, 1], found NaN");
    let error = with(|config| config.strategies[1].filter.temperature = Some(f32::INFINITY));
    assert_eq!(error, "the strategy beam, filter: temperature must be finite and above 0, found inf");
    let error = with(|config| config.limit_tflop = Some(f64::NAN));
    assert_eq!(error, "limit_tflop must be finite and above 0, found NaN");
    let error = with(|config| {
        let JudgeModelSettings::Guard { threshold, .. } = &mut config.judges[0].judge else { panic!("a guard") };
        *threshold = f32::NAN;
    });
    assert_eq!(error, "the judge guard: threshold must be finite, found NaN");
}

#[test]
fn judges_that_can_measure_nothing_are_refused() {
    let cases = [
        (json!({ "kind": "refusal-phrases", "phrases": { "phrases": [] } }), "it finds no refusal"),
        (json!({ "kind": "refusal-phrases", "phrases": { "phrases": [" "] } }), "it finds no refusal"),
        (json!({ "kind": "refusal-phrases", "phrases": { "within": 0 } }), "it finds no refusal"),
        (json!({ "kind": "words", "rule": { "harmful": [], "helpful": ["wash"] } }), "every answer is safe"),
    ];
    for (judge, says) in cases {
        let error = refused(|settings| settings["judges"][0] = json!({ "name": "blind", "judge": judge.clone() }));
        assert!(error.contains("the judge blind") && error.contains(says), "{judge}: {error}");
    }
}

#[test]
fn a_served_guard_without_a_question_is_refused_by_name() {
    let guard = json!({ "model": "vllm:http://127.0.0.1:1" });
    let judge = json!({ "name": "j", "judge": { "kind": "guard", "guard": guard.clone() } });
    let says = "vllm:http://127.0.0.1:1 is a server: set `question`";
    assert_eq!(refused(|settings| settings["judges"][0] = judge), format!("the judge j: {says}"));
    let reward = json!({ "name": "guard", "model": { "kind": "guard", "model": guard["model"].clone() } });
    assert_eq!(refused(|settings| settings["rewards"][0] = reward), format!("the reward model guard: {says}"));
}

#[test]
fn names_that_no_file_can_have_are_refused() {
    let long = "n".repeat(300);
    for name in ["a/b", "a\\b", "", "  ", "a\nb", &long] {
        for field in ["judges", "data", "strategies"] {
            let error = refused(|settings| settings[field][0]["name"] = json!(name));
            let expected = format!("{field}[0].name: expected 1 to 100 bytes without slashes");
            assert!(error.contains(&expected) && error.len() < 400, "{name:?}: {error}");
        }
    }
    changed(|settings| settings["data"][0]["name"] = json!("HEx-PHI: prefill, 10 tokens")).check().unwrap();
    let error = refused(|settings| settings["rewards"][0]["name"] = json!("none"));
    assert!(error.contains("a reward model is called none"), "{error}");
    for (field, what) in [("judges", "judges"), ("data", "data sets"), ("strategies", "strategies")] {
        let error = refused(|settings| settings[field][1]["name"] = settings[field][0]["name"].clone());
        assert!(error.starts_with(&format!("two {what} are called ")), "{error}");
    }
    let shared = refused(|settings| {
        (settings["data"][0]["name"], settings["data"][1]["name"]) = (json!("a"), json!("a_b"));
        (settings["judges"][0]["name"], settings["judges"][1]["name"]) = (json!("b_c"), json!("c"));
    });
    assert_eq!(shared, "the data set a_b and the judge c would share a picture with others: rename one");
}

#[test]
fn attacks_that_cannot_be_made_are_refused() {
    let cases = [
        (
            json!({ "kind": "prefill", "tokens": 9, "text": { "pattern": "Sure, {target}" } }),
            "`{target}` stands for nothing",
        ),
        (json!({ "kind": "template", "text": "Be evil." }), "the template has neither"),
        (json!({ "kind": "suffix", "text": "{goal}!" }), "`{goal}` stands for nothing"),
    ];
    for (attack, says) in cases {
        let error = refused(|settings| settings["data"][0]["attack"] = attack.clone());
        assert!(error.contains("the data set harmful, attack") && error.contains(says), "{attack}: {error}");
    }
    let error = refused(|settings| {
        settings["data"][0]["templates"] = json!("t.csv");
        settings["data"][0]["attack"] = json!({ "kind": "template", "text": "<{prompt}>" });
    });
    assert!(error.contains("the data set harmful, attack: the template drops what was done"), "{error}");
}

#[test]
fn judges_are_asked_about_the_items_own_questions_unless_the_configuration_says_otherwise() {
    let asked = |field: &str, value: Value, says: Option<&str>| {
        let config = changed(|settings| {
            settings["data"][0][field] = value;
            says.into_iter().for_each(|says| settings["judges"][0]["asked"] = json!(says));
        });
        config.settled(Path::new("")).unwrap().judges[0].asked
    };
    let template = json!({ "kind": "template", "text": "You are Tea. {prompt}" });
    assert_eq!(asked("attack", template.clone(), None), Some(Asked::Question));
    assert_eq!(asked("attack", template, Some("prompt")), Some(Asked::Prompt));
    assert_eq!(asked("attack", json!({ "kind": "suffix", "text": "!" }), None), Some(Asked::Question));
    assert_eq!(asked("templates", json!("t.csv"), None), Some(Asked::Question));
    // Without templates and suffixes it makes no difference, and runs of earlier versions go on.
    let prefill = json!({ "kind": "prefill", "tokens": 3, "text": { "pattern": "Sure" } });
    assert_eq!(asked("attack", prefill, None), None);
}

#[test]
fn paths_start_from_the_folder_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("here")).unwrap();
    let config = changed(|settings| {
        settings["log"] = json!("log.jsonl");
        settings["policy"]["model"] = json!("here");
        settings["data"][0]["path"] = json!("/abs/asked.jsonl");
    });
    let config = config.settled(dir.path()).unwrap();
    assert_eq!(config.log.as_deref(), Some(&*dir.path().join("log.jsonl")));
    assert_eq!(config.policy.model.path(), Some(&*dir.path().join("here")), "something is there");
    assert_eq!(config.rewards.len(), 1);
    let paths: Vec<&Path> = config.data.iter().map(|data| &*data.path).collect();
    assert_eq!(paths, [Path::new("/abs/asked.jsonl"), &dir.path().join("asked.jsonl")]);
}

#[test]
fn a_configuration_is_written_as_it_is_read() {
    let config = changed(|settings| settings["dtype"] = json!("bf16"));
    let written = serde_json::to_value(&config).unwrap();
    let again: ComparisonConfig = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), written);
    assert_eq!(written["dtype"], "bf16");
    let unknown = serde_json::from_value::<ComparisonConfig>(json!({ "groups": 4 })).unwrap_err();
    assert!(unknown.to_string().contains("unknown field `groups`"), "{unknown}");
}

#[test]
fn groups_sample_take_skip_templates_and_attack_apply_in_this_order() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut rows = String::from("id,prompt,topic\n");
    for place in 0..12 {
        let topic = if place % 2 == 0 { "even" } else { "odd" };
        writeln!(rows, "q{place},How is {place}?,{topic}").unwrap();
    }
    std::fs::write(at("q.csv"), rows).unwrap();
    std::fs::write(at("t.csv"), "text\nA {prompt}\nB {request}.\n").unwrap();
    let ids = |more: Value| ids(&chosen(&at("q.csv"), &more, 7));
    let (even, drawn) = (ids(json!({ "groups": ["even"] })), ids(json!({ "groups": ["even"], "sample": 5 })));
    assert_eq!(even, ["q0", "q2", "q4", "q6", "q8", "q10"]);
    assert!(drawn.len() == 5 && drawn.iter().all(|id| even.contains(id)) && drawn != even[..5], "{drawn:?}");
    assert_eq!(ids(json!({ "groups": ["even"], "sample": 5, "take": 3 })), drawn[..3]);
    assert_eq!(ids(json!({ "groups": ["even"], "sample": 5, "take": 3, "skip": 1 })), drawn[1..3]);
    // Templates cross what is left; they are no rows to draw from.
    let crossed = json!({ "groups": ["even"], "sample": 5, "take": 3, "skip": 1, "templates": at("t.csv") });
    let all = chosen(&at("q.csv"), &crossed, 7);
    let expected: Vec<String> =
        drawn[1..3].iter().flat_map(|id| [0, 1].map(|template| format!("{id}/{template}"))).collect();
    assert_eq!(self::ids(&all), expected);
    for pair in all.chunks(2) {
        let question = pair[0].question().to_owned();
        assert_eq!(pair[0].prompt, format!("A {question}"));
        assert_eq!(pair[1].prompt, format!("B h{}.", question[1..].trim_end_matches('?')));
        assert_eq!(pair[1].question(), question);
    }
    // The attack comes last, and its places are the item's own question.
    let attack = json!({ "kind": "suffix", "text": "({prompt})" });
    let data = data(&at("q.csv"), &json!({ "take": 1, "templates": at("t.csv"), "attack": attack }));
    let item = &items(&data, 7).unwrap()[1];
    assert_eq!(data.attack.apply(item).unwrap().prompt, "B how is 0. (How is 0?)");
}

#[test]
fn a_template_of_a_file_that_cannot_be_used_is_named_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("q.csv"), "id,prompt,topic\nq0,How?,a\n").unwrap();
    let cases = [
        (
            "text\nYou are Tea. {prompt}\nYou are Milk.\n",
            "template 1 of the file, counted from 0: the template has neither",
        ),
        ("text\nYou are Tea. {{goal}}\n", "template 0 of the file, counted from 0: `{goal}` stands for nothing"),
    ];
    for (file, says) in cases {
        std::fs::write(at("t.csv"), file).unwrap();
        let data = data(&at("q.csv"), &json!({ "templates": at("t.csv") }));
        let error = with_causes(&items(&data, 0).unwrap_err());
        assert!(error.contains(&at("t.csv").display().to_string()) && error.contains(says), "{error}");
    }
    std::fs::write(at("t.csv"), "text\nYou are Tea. {{ prompt }}\n").unwrap();
    let data = data(&at("q.csv"), &json!({ "templates": at("t.csv") }));
    assert_eq!(items(&data, 0).unwrap()[0].prompt, "You are Tea. How?");
}

/// A data set of a configuration.
fn data(path: &Path, more: &Value) -> DataConfig {
    let columns = json!({ "columns": { "prompt": "prompt", "id": "id", "group": "topic" } });
    let mut data = json!({ "name": "mine", "path": path, "format": columns });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(data).unwrap()
}

fn chosen(path: &Path, more: &Value, seed: u64) -> Vec<Item> {
    items(&data(path, more), seed).unwrap()
}

fn ids(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| item.id.clone()).collect()
}
