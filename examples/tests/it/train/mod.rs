//! The training programs: whole runs with tiny checkpoints.

mod kills;
mod public_data;
mod refused;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use saffron_mrm::{RewardHead, RewardHeadFiles};
use saffron_train::run::Line;
use serde_json::Value;

use crate::programs::{example, run, text};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")
}

fn program(name: &str, config: &Path, out: &Path) -> Command {
    let mut command = example(name);
    command.arg("--config").arg(config).arg("--out").arg(out);
    command
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A program's tiny configuration with some parts changed, on the labels that are in `dir`.
fn changed(name: &str, dir: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let mut file = fs::read_to_string(folder().join(format!("{name}_tiny.toml"))).unwrap();
    for (from, to) in changes {
        assert!(file.contains(from), "{from}");
        file = file.replace(from, to);
    }
    let here = folder().display().to_string();
    file = file.replace("\"../../runs/labels\"", &format!("\"{}\"", dir.join("labels").display()));
    file = file.replace("\"../../", &format!("\"{here}/../../"));
    for name in ["pairs.jsonl", "replies.jsonl"] {
        file = file.replace(&format!("\"{name}\""), &format!("\"{here}/{name}\""));
    }
    let path = dir.join(format!("{name}.toml"));
    fs::write(&path, file).unwrap();
    path
}

/// A folder with token rewards in `labels/`.
fn labelled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    succeed(&mut program("label", &folder().join("label_tiny.toml"), &dir.path().join("labels")));
    dir
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let read = entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    let mut files: Vec<_> = read.collect();
    files.sort();
    files
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The lines of a log that is being written, without times.
fn metrics(run: &Path) -> Vec<Line> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str::<Line>(line).unwrap().without_time()).collect()
}

fn losses(run: &Path) -> Vec<f32> {
    let loss = |line: &Line| if let Line::Step { done, .. } = line { Some(done.loss) } else { None };
    metrics(run).iter().filter_map(loss).collect()
}

const MODEL: [&str; 5] = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "lm_head_bias.pt",
    "reward_head.safetensors",
    "unseen_mask.pt",
];

#[test]
fn a_guard_is_trained_and_all_that_is_promised_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("guard");
    let printed = succeed(&mut program("train_guard", &folder().join("train_guard_tiny.toml"), &out));
    for part in [
        "12 examples to learn from, 4 for validation, 6 held out",
        "1 rows had no reply or no label",
        "6 steps; ",
        "AUROC ",
    ] {
        assert!(printed.contains(part), "{part:?} in {printed}");
    }
    let losses = losses(&out);
    assert_eq!(losses.len(), 6);
    assert!(losses.iter().all(|loss| loss.is_finite()) && losses[4] + losses[5] < losses[0] + losses[1], "{losses:?}");
    assert!(MODEL.iter().all(|name| out.join("model").join(name).is_file()));
    let report = json(&out.join("report.json"));
    assert_eq!((&report["whole"]["n"], &report["whole"]["positives"]), (&6.into(), &3.into()));
    assert_eq!(report["groups"].as_object().unwrap().keys().collect::<Vec<_>>(), ["birds", "kitchen", "sky"]);
    assert!(fs::read_to_string(out.join("reliability.svg")).unwrap().contains("</svg>"));
    // A run that is done is reported on again, and not changed.
    let (model, log) = (files(&out.join("model")), fs::read(out.join("metrics.jsonl")).unwrap());
    succeed(&mut program("train_guard", &folder().join("train_guard_tiny.toml"), &out));
    assert!(model == files(&out.join("model")) && log == fs::read(out.join("metrics.jsonl")).unwrap());
}

#[test]
fn a_reward_model_is_trained_and_decode_takes_it() {
    let dir = labelled();
    let out = dir.path().join("mrm");
    let config = changed("train_mrm", dir.path(), &[("epochs = 2", "epochs = 6")]);
    let printed = succeed(&mut program("train_mrm", &config, &out));
    for part in ["rewards to learn from", "tokens are never rewarded", " steps; ", "same sign"] {
        assert!(printed.contains(part), "{part:?} in {printed}");
    }
    let losses = losses(&out);
    assert!(losses.last() < losses.first(), "{losses:?}");
    assert!(MODEL.iter().all(|name| out.join("model").join(name).is_file()));
    assert!(json(&out.join("report.json"))["n"].as_u64().unwrap() > 0);
    assert!(fs::read_to_string(out.join("calibration.svg")).unwrap().contains("</svg>"));
    let card = out.join("model/saffron.json");
    assert_eq!(json(&card), serde_json::json!({ "layout": "mrm" }));
    // A preset that somebody puts into the card is kept when the model is written again.
    fs::write(&card, r#"{"preset": "paper"}"#).unwrap();
    succeed(&mut program("train_mrm", &config, &out));
    assert_eq!(json(&card), serde_json::json!({ "preset": "paper", "layout": "mrm" }));
    let mut decode = example("decode");
    decode.arg("--policy").arg(crate::fixtures().join("tiny-b/policy")).args(["--layout", "plain"]);
    // No --guard: the adapter names its base.
    decode.arg("--mrm").arg(out.join("model")).args(["--prompt", "one question", "--max-new-tokens", "3"]);
    assert!(succeed(&mut decode).contains("saffron"));
}

#[test]
fn training_goes_on_from_an_adapter_that_was_trained_elsewhere() {
    let dir = labelled();
    let (plain, from) = (dir.path().join("plain"), dir.path().join("from"));
    succeed(&mut program("train_mrm", &changed("train_mrm", dir.path(), &[]), &plain));
    let adapter = ("[adapter]\nrank = 4\nalpha = 8.0", "[adapter]\nfrom = \"../../fixtures/tiny-b/mrm\"\nbias = false");
    succeed(&mut program("train_mrm", &changed("train_mrm", dir.path(), &[adapter]), &from));
    assert_ne!(losses(&plain)[0], losses(&from)[0]);
    let bias = |dir: &Path| RewardHead::from_dir(dir, 190).unwrap().bias;
    assert_eq!(bias(&from.join("model")), bias(&crate::fixtures().join("tiny-b/mrm")), "it is not trained");
    assert!(named_base(&from.join("model")).ends_with("tiny-b/guard"));
}

/// The base that an adapter names.
fn named_base(adapter: &Path) -> PathBuf {
    let base =
        json(&adapter.join("adapter_config.json"))["base_model_name_or_path"].as_str().map(PathBuf::from).unwrap();
    assert!(adapter.join(&base).join("config.json").is_file(), "{}", base.display());
    base
}

#[test]
fn an_adapter_leads_to_its_base_from_wherever_it_was_trained() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("guard");
    let mut command = example("train_guard");
    command.current_dir(crate::root()).args(["--config", "examples/configs/train_guard_tiny.toml", "--out"]).arg(&out);
    succeed(&mut command);
    assert!(named_base(&out.join("model")).is_absolute());
}
