//! The examples as programs: what they print, write and refuse.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// An example that this build has made beside its tests.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    Command::new(profile.join("examples").join(name))
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; tests build all examples first"))
}

fn decode(model: &str, arguments: &[&str]) -> Output {
    let dir = crate::fixtures().join(model);
    run(example("decode").arg("--policy").arg(dir.join("policy")).args(["--layout", "plain"]).args(arguments))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn decode_searches_and_tells_what_it_did() {
    let mrm = crate::fixtures().join("tiny-b/mrm").display().to_string();
    let out = tempfile::tempdir().unwrap();
    let (json, trace) = (out.path().join("outcome.json"), out.path().join("trace.jsonl"));
    for preset in ["paper", "reference"] {
        // No --guard: the adapter names its base, relative to itself.
        let output = decode(
            "tiny-b",
            &[
                "--mrm",
                &mrm,
                "--prompt",
                "one question",
                "--prefill",
                "Sure, here is",
                "--prefill-len",
                "2",
                "--width",
                "3",
                "--max-new-tokens",
                "6",
                "--min-new-tokens",
                "2",
                "--preset",
                preset,
                "--json",
                json.to_str().unwrap(),
                "--trace",
                trace.to_str().unwrap(),
            ],
        );
        assert!(output.status.success(), "{}", text(&output.stderr));
        for part in ["stopped: ", "beam:", "compute: ", "policy: 6 calls", &format!("saffron ({preset}, width 3")] {
            assert!(text(&output.stdout).contains(part), "{part:?} in {}", text(&output.stdout));
        }
        let outcome: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        assert_eq!(outcome["preset"], preset);
        assert!(outcome["outcome"]["best"]["tokens"].as_array().unwrap().len() <= 6);
        let lines = std::fs::read_to_string(&trace).unwrap();
        assert!(lines.lines().count() > 10 && lines.lines().last().unwrap().contains("\"event\":\"finish\""));
    }
}

#[test]
fn decode_without_a_reward_model_is_greedy() {
    let output = decode("tiny-a", &["--prompt", "hello", "--max-new-tokens", "4"]);
    assert!(text(&output.stdout).contains("search:  greedy"), "{}", text(&output.stderr));
}

#[test]
fn bad_arguments_end_with_a_sentence_not_a_panic() {
    let mrm = crate::fixtures().join("tiny-a/mrm").display().to_string();
    let wrong = crate::fixtures().join("tiny-b/mrm").display().to_string();
    let guard = crate::fixtures().join("tiny-a/guard").display().to_string();
    let cases: [(&[&str], &str); 8] = [
        (&["--prompt", ""], "the prompt is empty"),
        (&["--prompt", "x", "--mrm", &mrm, "--width", "0"], "width must be at least 1"),
        (&["--prompt", "x", "--mrm", &mrm, "--top-p", "1.5"], "top_p must lie in (0, 1], found 1.5"),
        (&["--prompt", "x", "--mrm", &wrong, "--guard", &guard], "expected shape [4, 48], found [4, 64]"),
        (&["--prompt", "x", "--mrm", "/nowhere"], "/nowhere/adapter_config.json"),
        (&["--prompt", "x", "--strategy", "saffron"], "needs --mrm"),
        (&["--prompt", "x", "--device", "abacus"], "no device \"abacus\""),
        (&["--prompt", "x", "--layout", "chatml"], "cannot be used multiple times"),
    ];
    for (arguments, says) in cases {
        let output = decode("tiny-a", arguments);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{arguments:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

fn replayed(arguments: &[&str]) -> Value {
    let out = tempfile::tempdir().unwrap();
    let json: PathBuf = out.path().join("out.json");
    let output = run(example(arguments[0]).args(&arguments[1..]).arg("--json").arg(&json));
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

#[test]
fn replays_write_files_of_the_format_they_read() {
    let (models, case) = (crate::fixtures().join("tiny-b"), crate::fixtures().join("cases/B4.json"));
    let (models, case) = (models.to_str().unwrap(), case.to_str().unwrap());
    let given: Value = serde_json::from_slice(&std::fs::read(case).unwrap()).unwrap();
    let written = replayed(&["replay_case", "--models", models, "--case", case]);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&given), keys(&written));
    assert_eq!(keys(&given["cases"][0]), keys(&written["cases"][0]));
    assert_eq!(given["cases"][0]["output"], written["cases"][0]["output"]);
    let written = replayed(&["replay_reference", "--models", models]);
    assert_eq!(written["train"]["losses"].as_array().unwrap().len(), 20);
}

#[test]
fn a_new_reward_model_is_one_that_decode_takes() {
    let out = tempfile::tempdir().unwrap();
    let (base, mrm) = (crate::fixtures().join("tiny-a/guard"), out.path().join("mrm"));
    let output = run(example("init_mrm").arg("--base").arg(&base).arg("--out").arg(&mrm).arg("--random"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    for file in ["adapter_config.json", "adapter_model.safetensors", "lm_head_bias.pt", "unseen_mask.pt"] {
        assert!(mrm.join(file).is_file(), "{file}");
    }
    let output = decode("tiny-a", &["--prompt", "hello", "--mrm", mrm.to_str().unwrap(), "--max-new-tokens", "3"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// A reward model without some files of its head.
pub(crate) fn headless(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(crate::fixtures().join("tiny-b/mrm")).unwrap() {
        let entry = entry.unwrap();
        if !files.iter().any(|file| entry.file_name() == *file) {
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    }
    dir
}

#[test]
fn a_reward_model_without_its_head_must_be_asked_for() {
    let guard = crate::fixtures().join("tiny-b/guard").display().to_string();
    for missing in ["lm_head_bias.pt", "unseen_mask.pt"] {
        let adapter = headless(&[missing]);
        let mrm = adapter.path().display().to_string();
        let search = ["--guard", &guard, "--mrm", &mrm, "--prompt", "one question", "--width", "2"];
        let search = [&search[..], &["--max-new-tokens", "4", "--min-new-tokens", "2"]].concat();
        let output = decode("tiny-b", &search);
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(text(&output.stderr).contains(missing), "{}", text(&output.stderr));
        let output = decode("tiny-b", &[&search[..], &["--neutral-head"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let rewards = |more: &[&str]| {
            let mut command = example("rewards");
            run(command.args(["--base", &guard, "--adapter", &mrm]).args(more))
        };
        let refused = rewards(&[]);
        assert!(!refused.status.success() && text(&refused.stderr).contains(missing), "{}", text(&refused.stderr));
        assert!(rewards(&["--neutral-head"]).status.success());
    }
}
