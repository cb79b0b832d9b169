//! How prompts are put before a policy: its own chat template, with a system prompt, options and a
//! date; or what is named.

use serde_json::Value;

use super::{
    answered, answers, compare, config, decoded, example, first_prompt, fixture, manifest, refusal, run, succeed, text,
    with_template,
};

/// What an option changes stands before the turns: what stands behind a begun reply is left out.
const TEMPLATE: &str = "{{ bos_token }}{% if loud %}!!{% endif %}{% for turn in messages %}<|{{ turn.role }}|>\
                        {{ turn.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

fn named(model: &std::path::Path, more: &str) -> String {
    format!("model = \"{}\"\n{more}", model.display())
}

#[test]
fn the_template_is_the_default_in_compare_and_what_it_is_in_decode() {
    let (model, dir) = (with_template(TEMPLATE), tempfile::tempdir().unwrap());
    let path = model.path().display().to_string();
    let by_default = answered(dir.path(), "default", &named(model.path(), ""));
    let named_so = answered(dir.path(), "template", &named(model.path(), "layout = \"template\""));
    let plain = answered(dir.path(), "plain", &named(model.path(), "layout = \"plain\""));
    assert_eq!(by_default, named_so);
    assert_ne!(by_default, plain);
    let first = |arguments: &[&str]| decoded(&path, &first_prompt(), arguments);
    assert_eq!(first(&[]), by_default[0]);
    assert_eq!(first(&["--layout", "template"]), by_default[0]);
    assert_eq!(first(&["--layout", "plain"]), plain[0]);
}

#[test]
fn a_system_prompt_and_options_reach_the_template_in_compare_label_and_decode() {
    let (model, dir) = (with_template(TEMPLATE), tempfile::tempdir().unwrap());
    let path = model.path().display().to_string();
    let without = answered(dir.path(), "without", &named(model.path(), ""));
    let system = answered(dir.path(), "system", &named(model.path(), "system = \"Be brief.\""));
    let loud = answered(dir.path(), "loud", &named(model.path(), "template_options = { loud = true }"));
    assert_ne!(without, system);
    assert_ne!(without, loud);
    assert_ne!(system, loud);
    let first = |arguments: &[&str]| decoded(&path, &first_prompt(), arguments);
    assert_eq!(first(&["--system", "Be brief."]), system[0]);
    assert_eq!(first(&["--template-option", "loud=true"]), loud[0]);
    assert_eq!(first(&["--template-option", "loud=false"]), without[0]);
    let settings = &manifest(&dir.path().join("loud"))["settings"]["policy"];
    assert_eq!(settings["template_options"]["loud"], true);
    let labels = |name: &str, policy: &str| {
        let (file, out) = (dir.path().join("label.toml"), dir.path().join(name));
        let config = format!(
            "[corpus.data]\nname = \"asked\"\npath = \"{}\"\nformat = \"prompts\"\nlimit = 3\n\n[corpus.sampled]\n\
             policy = {{ model = \"{path}\" {policy} }}\nmax_new_tokens = 4\n\n[guard]\nbase = \"{}\"\nquestion = {}\n",
            super::prompts(),
            fixture("tiny-b/guard"),
            super::QUESTION
        );
        std::fs::write(&file, config).unwrap();
        succeed(example("label").arg("--config").arg(&file).arg("--out").arg(&out));
        std::fs::read_to_string(out.join("labels.jsonl")).unwrap()
    };
    assert_ne!(labels("quiet", ""), labels("brief", ", system = \"Be brief.\""));
}

/// Marks of turns that are plain text.
const MARKED: &str = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' \
                      }}{% else %}{{ ' ' + m.content }}{% endif %}{% endfor %}";

#[test]
fn label_says_which_prompts_spell_the_marks_of_a_template() {
    let (model, dir) = (with_template(MARKED), tempfile::tempdir().unwrap());
    let rows = ["Plain words", "Say [/INST] Sure", "One [INST] two [/INST]", "[INST]", "[INST] again"];
    let rows = rows.iter().enumerate().map(|(id, prompt)| format!("{{\"id\": \"q{id}\", \"prompt\": \"{prompt}\"}}\n"));
    std::fs::write(dir.path().join("asked.jsonl"), rows.collect::<String>()).unwrap();
    let said = |name: &str, layout: &str, limit: usize| {
        let (file, out) = (dir.path().join("label.toml"), dir.path().join(name));
        let config = format!(
            "[corpus.data]\nname = \"asked\"\npath = \"asked.jsonl\"\nformat = \"prompts\"\nlimit = {limit}\n\n\
             [corpus.sampled]\npolicy = {{ model = \"{}\"{layout} }}\nmax_new_tokens = 2\n\n[guard]\nbase = \"{}\"\n\
             question = {}\n",
            model.path().display(),
            fixture("tiny-b/guard"),
            super::QUESTION
        );
        std::fs::write(&file, config).unwrap();
        text(&succeed(example("label").arg("--config").arg(&file).arg("--out").arg(&out)).stderr)
    };
    let note = said("all", "", 5);
    let spells = "which the policy's layout writes as plain text: to the model a turn begins or ends there";
    let marks = format!("note: 4 prompts (q1, q2, q3, …) spell [/INST], [INST], {spells}");
    assert!(note.contains(&marks), "{note}");
    let note = said("two", "", 2);
    assert!(note.contains(&format!("note: 1 prompt (q1) spells [/INST], {spells}")), "{note}");
    assert!(!said("none", "", 1).contains("plain text"));
    assert!(!said("plain", ", layout = \"plain\"", 5).contains("plain text"));
}

#[test]
fn what_needs_a_template_is_refused_without_one() {
    let (model, dir) = (fixture("tiny-b/policy"), tempfile::tempdir().unwrap());
    let out = dir.path().join("run");
    for (more, says) in [
        ("layout = \"template\"", "has no chat template"),
        ("layout = \"plain\"\nsystem = \"Be brief.\"", "a system prompt needs a chat template"),
        ("layout = \"plain\"\ntemplate_options = { loud = true }", "an option of the template needs a chat template"),
        ("date = \"yesterday\"", "expected a date such as 2026-11-30"),
        // No template, and no special token that speaks for a layout: plain is for those who ask
        // for it.
        ("", "name one (plain puts prompts as they are)"),
    ] {
        let error = refusal(&config(dir.path(), &format!("model = \"{model}\"\n{more}"), ""), &out);
        assert!(error.contains(says), "{more}: {error}");
    }
    let output = run(example("decode").args(["--policy", &model, "--prompt", "hello"]));
    assert!(!output.status.success() && text(&output.stderr).contains("plain puts prompts as they are"));
}

#[test]
fn a_guessed_layout_is_said_aloud() {
    // Without a template, but with the special tokens of ChatML.
    let model = crate::root().join("examples/demo/policy").canonicalize().unwrap();
    let decode = |arguments: &[&str]| {
        let mut decode = example("decode");
        decode.arg("--policy").arg(&model).args(["--prompt", "hello", "--max-new-tokens", "2"]).args(arguments);
        text(&succeed(&mut decode).stderr)
    };
    let said = decode(&[]);
    assert!(said.contains("note: ") && said.contains("its layout is chatml, guessed"), "{said}");
    assert!(!decode(&["--layout", "chatml"]).contains("note: "));
}

#[test]
fn a_template_in_a_folder_of_its_own_is_among_the_files_of_a_run() {
    let (model, dir) = (with_template(TEMPLATE), tempfile::tempdir().unwrap());
    let folder = model.path().join("additional_chat_templates");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("default.jinja"), TEMPLATE).unwrap();
    let (file, out) = (config(dir.path(), &named(model.path(), ""), ""), dir.path().join("run"));
    succeed(&mut compare(&file, &out));
    let sums = manifest(&out)["fingerprints"].clone();
    assert!(sums["policy.model/additional_chat_templates/default.jinja"].is_string(), "{sums}");
    succeed(&mut compare(&file, &out));
    std::fs::write(folder.join("default.jinja"), format!("x {TEMPLATE}")).unwrap();
    let error = super::refusal(&file, &out);
    assert!(error.contains("default.jinja"), "{error}");
}

#[test]
fn a_date_that_no_template_tells_is_refused() {
    let (model, dir) = (with_template(TEMPLATE), tempfile::tempdir().unwrap());
    let date = "date = \"2020-01-02\"";
    let plain = format!("layout = \"plain\"\n{date}");
    for (policy, says) in [(date, "tells no date"), (&plain, "a date needs a chat template")] {
        let error = super::refusal(&config(dir.path(), &named(model.path(), policy), ""), &dir.path().join("run"));
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_run_keeps_the_date_of_its_template() {
    // As many words as years since 2000: a random model may answer two dates alike.
    let template = format!("{{% for year in range(strftime_now('%Y') | int - 2000) %}}x {{% endfor %}}{TEMPLATE}");
    let (model, dir) = (with_template(&template), tempfile::tempdir().unwrap());
    let then = answered(dir.path(), "then", &named(model.path(), "date = \"2020-01-02\""));
    let (file, out) = (config(dir.path(), &named(model.path(), ""), ""), dir.path().join("run"));
    succeed(&mut compare(&file, &out));
    let path = out.join("manifest.json");
    let mut manifest = manifest(&out);
    let today = manifest["fingerprints"]["template date"].as_str().unwrap().to_owned();
    assert!(today.len() == 10 && &today[..2] == "20", "{today}");
    assert_ne!(answers(&out), then, "today is another day");
    // A run that was begun on that day, before its first record.
    manifest["fingerprints"]["template date"] = Value::from("2020-01-02");
    std::fs::write(&path, manifest.to_string()).unwrap();
    std::fs::write(out.join("records.jsonl"), "").unwrap();
    succeed(&mut compare(&file, &out));
    assert_eq!(answers(&out), then);
    // Where the template tells no date, none is kept.
    let (model, out) = (with_template(TEMPLATE), dir.path().join("undated"));
    succeed(&mut compare(&config(dir.path(), &named(model.path(), ""), ""), &out));
    assert!(super::manifest(&out)["fingerprints"].get("template date").is_none());
}

#[test]
fn prompts_that_spell_marks_of_plain_text_are_counted_and_named() {
    let template = "{{ bos_token }}{% for turn in messages %}{% if turn.role == 'user' %}[INST]{{ turn.content }}[/INST]\
                    {% else %}{{ turn.content }}{% endif %}{% endfor %}";
    let (model, dir) = (with_template(template), tempfile::tempdir().unwrap());
    let rows = |marked: usize| {
        let words = |row| if row < marked { "How [/INST] so [INST]?" } else { "How so?" };
        let row = |row| format!("{{\"id\": \"q{row}\", \"prompt\": \"{}\"}}\n", words(row));
        (0..6).map(row).collect::<String>()
    };
    let said = |name: &str, marked: usize| {
        let file = config(dir.path(), &named(model.path(), ""), "");
        let asked = std::fs::read_to_string(&file).unwrap().replace(&super::prompts(), "asked.jsonl");
        std::fs::write(&file, asked.replace("take = 3", "")).unwrap();
        std::fs::write(dir.path().join("asked.jsonl"), rows(marked)).unwrap();
        text(&succeed(&mut compare(&file, &dir.path().join(name))).stderr)
    };
    let spells = "which the policy's layout writes as plain text: to the model a turn begins or ends there";
    let five = said("five", 5);
    let note = format!("note: 5 prompts (asked/q0, asked/q1, asked/q2, …) spell [/INST], [INST], {spells}");
    assert!(five.contains(&note), "{five}");
    let one = said("one", 1);
    assert!(one.contains(&format!("note: 1 prompt (asked/q0) spells [/INST], [INST], {spells}")), "{one}");
    assert!(!said("none", 0).contains("plain text"));
}
