//! The training programs: whole runs with tiny checkpoints, killed, resumed, refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

fn succeed(command: &mut Command) -> String {
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

fn json(path: &Path) -> Value {
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
    for part in ["16 examples to learn from, 6 held out", "1 rows had no reply or no label", "8 steps; ", "AUROC "] {
        assert!(printed.contains(part), "{part:?} in {printed}");
    }
    let losses = losses(&out);
    assert_eq!(losses.len(), 8);
    assert!(losses.iter().all(|loss| loss.is_finite()) && losses[6] + losses[7] < losses[0] + losses[1], "{losses:?}");
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
    let mut decode = example("decode");
    decode.arg("--policy").arg(crate::fixtures().join("tiny-b/policy")).args(["--layout", "plain"]);
    // No --guard: the adapter names its base.
    decode.arg("--mrm").arg(out.join("model")).args(["--prompt", "one question", "--max-new-tokens", "3"]);
    assert!(succeed(&mut decode).contains("saffron"));
}

#[test]
fn an_adapter_leads_to_its_base_from_wherever_it_was_trained() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("guard");
    let mut command = example("train_guard");
    command.current_dir(crate::root()).args(["--config", "examples/configs/train_guard_tiny.toml", "--out"]).arg(&out);
    succeed(&mut command);
    let base = json(&out.join("model/adapter_config.json"))["base_model_name_or_path"].as_str().unwrap().to_owned();
    assert!(Path::new(&base).is_absolute() && Path::new(&base).join("config.json").is_file(), "{base}");
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let read = entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    let mut files: Vec<_> = read.collect();
    files.sort();
    files
}

fn lines(run: &Path) -> usize {
    fs::read(run.join("metrics.jsonl")).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

/// Starts a program and kills it once its log has `goal` lines, or a little later; says whether it was still running.
fn killed(name: &str, config: &Path, out: &Path, goal: usize, later: Duration) -> bool {
    let mut child = program(name, config, out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while (lines(out) < goal || !out.join("manifest.json").exists()) && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(120), "stuck at {} lines", lines(out));
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(later);
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// Kills a run at ten moments of its life, and compares what becomes of it with a run that was left alone.
fn survives_kills(name: &str, config: &Path, dir: &Path) {
    let (whole, pieces) = (dir.join("whole"), dir.join("pieces"));
    succeed(&mut program(name, config, &whole));
    let all = metrics(&whole);
    let mut kills = 0;
    for moment in 0..10 {
        let goal = moment * (all.len() - 2) / 10;
        kills += usize::from(killed(name, config, &pieces, goal, Duration::from_millis(3 * moment as u64)));
        assert!(all.starts_with(&metrics(&pieces)), "after kill {moment}");
    }
    assert!(kills >= 8, "the run was over before it could be killed: {kills} kills");
    succeed(&mut program(name, config, &pieces));
    assert!(metrics(&pieces) == all);
    assert!(files(&pieces.join("model")) == files(&whole.join("model")));
    for file in ["report.json", "manifest.json"] {
        assert!(fs::read(pieces.join(file)).unwrap() == fs::read(whole.join(file)).unwrap(), "{file}");
    }
}

/// More steps, and a checkpoint after nearly every one.
const LONGER: [(&str, &str); 2] = [("epochs = 2", "epochs = 8"), ("checkpoint_every = 2", "checkpoint_every = 1")];

#[test]
fn a_guard_killed_at_ten_moments_of_its_training_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    survives_kills("train_guard", &changed("train_guard", dir.path(), &LONGER), dir.path());
}

#[test]
fn a_reward_model_killed_at_ten_moments_of_its_training_is_the_same() {
    let dir = labelled();
    survives_kills("train_mrm", &changed("train_mrm", dir.path(), &LONGER), dir.path());
}

/// Configurations that differ in one thing, and what is said of each.
fn refused(name: &str, dir: &Path, cases: &[((&str, &str), &str)]) {
    let first = dir.join("first");
    succeed(&mut program(name, &changed(name, dir, &[]), &first));
    for (change, says) in cases {
        let output = run(&mut program(name, &changed(name, dir, &[*change]), &first));
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{change:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

#[test]
fn bad_configurations_of_a_guard_end_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (("learning_rate = 1e-2", "learning_rate = 2e-2"), "optimizer.learning_rate: 0.02 here, 0.01 in the run"),
        (("safe = \"yes\", unsafe = \"no\"", "safe = \"yes\", unsafe = \"yea\""), "begin with the same token"),
        (("rank = 4", "ranks = 4"), "unknown field `ranks`"),
        (("learning_rate = 1e-2", "learning_rate = 0.0"), "learning_rate: expected a finite number above 0, found 0"),
        (("batch = 4", "batch = 0"), "batch: expected at least 1, found 0"),
        (("reply = 32", "reply = 0"), "there is nothing to learn from"),
        (("values = [\"held out\"]", "values = [\"learn\"]"), "nothing is held out"),
        (("pairs.jsonl", "nothing.jsonl"), "nothing.jsonl"),
        (("column = \"verdict\"", "column = \"judgement\""), "judgement"),
        (("tiny-b/guard", "tiny-b/nobody"), "tiny-b/nobody"),
        (("prompt = 24", "prompt = 5000"), "limits.prompt: 5000 here, 24 in the run"),
    ];
    refused("train_guard", dir.path(), &cases);
}

#[test]
fn bad_configurations_of_a_reward_model_end_with_a_sentence() {
    let dir = labelled();
    let cases = [
        (("held_out = 0.3", "held_out = 0.4"), "held_out: 0.4 here, 0.3 in the run"),
        (("held_out = 0.3", "held_out = 1.0"), "held_out: expected 0 to below 1, found 1"),
        (("max_tokens = 128", "max_tokens = 1"), "there is nothing to learn from"),
        (("runs/labels", "runs/nothing"), "runs/nothing"),
        (("labels = [\"../../runs/labels\"]", "labels = [\"train_mrm_tiny.toml\"]"), "train_mrm_tiny.toml"),
        (("tiny-b/guard", "tiny-a/guard"), "vocabulary of 100"),
        (("max_tokens = 128", "layout = \"chatml\""), "chatml"),
        (("[adapter]\nrank = 4", "[adapter]\nfrom = \"../../fixtures/tiny-a/mrm\""), "expected shape"),
        (("epochs = 2", "epochs = 0"), "epochs: expected at least 1, found 0"),
    ];
    refused("train_mrm", dir.path(), &cases);
}

fn rewards(expected: &Path) -> std::process::Output {
    let models = crate::fixtures().join("tiny-b");
    let mut command = example("rewards");
    command.arg("--base").arg(models.join("guard")).arg("--adapter").arg(models.join("mrm"));
    run(command.arg("--expected").arg(expected))
}

#[test]
fn rewards_are_compared_with_those_of_another_implementation() {
    let reference = crate::fixtures().join("tiny-b/reference.json");
    let output = rewards(&reference);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("greatest difference").count(), 4);
    let dir = tempfile::tempdir().unwrap();
    let damaged = |change: fn(&mut Value)| {
        let mut value = json(&reference);
        change(&mut value);
        let path = dir.path().join("damaged.json");
        fs::write(&path, value.to_string()).unwrap();
        let output = rewards(&path);
        assert!(!output.status.success(), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    let off = damaged(|value| value["rewards"][2][7] = (value["rewards"][2][7].as_f64().unwrap() + 0.01).into());
    assert!(off.contains("sequence 2: ") && off.contains("is more than"), "{off}");
    let none = damaged(|value| value["rewards"][1][3] = Value::Null);
    assert!(none.contains("damaged.json"), "{none}");
    let fewer = damaged(|value| drop(value["rewards"].as_array_mut().unwrap().pop()));
    assert!(fewer.contains("another number of rewards"), "{fewer}");
    let short = damaged(|value| drop(value["rewards"][0].as_array_mut().unwrap().pop()));
    assert!(short.contains("189 rewards for 190 tokens"), "{short}");
    let unseen = damaged(|value| value["unseen"] = serde_json::json!([1]));
    assert!(unseen.contains("the unseen tokens differ"), "{unseen}");
}

#[test]
fn rewards_that_were_written_are_met_again() {
    let (dir, models) = (tempfile::tempdir().unwrap(), crate::fixtures().join("tiny-b"));
    let path = dir.path().join("rewards.json");
    let mut command = example("rewards");
    command.arg("--base").arg(models.join("guard")).arg("--adapter").arg(models.join("mrm"));
    succeed(command.args(["--seed", "3", "--json"]).arg(&path));
    let lengths: Vec<usize> =
        json(&path)["sequences"].as_array().unwrap().iter().map(|ids| ids.as_array().unwrap().len()).collect();
    assert_eq!(lengths, [5, 9, 13]);
    let output = rewards(&path);
    assert!(output.status.success() && text(&output.stdout).contains("the same unseen tokens"));
}
