//! Programs look whether models fit before they read weights, and share out what is left.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::compare::{compare, records, succeed};
use crate::compare_settings::Small;
use crate::programs::{example, run, text};

/// A copy of a fixture whose header is sound and whose weights are of a type that is not read.
fn unreadable(model: &str) -> tempfile::TempDir {
    let folder = crate::early::unreadable(model);
    let mut bytes = std::fs::read(crate::fixtures().join(model).join("model.safetensors")).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..end].to_vec()).unwrap().replace("\"F32\"", "\"I32\"");
    bytes.splice(8..end, header.into_bytes());
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    folder
}

fn refusal(command: &mut Command) -> String {
    let output = run(command);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {error}");
    assert!(!error.contains("panicked"), "{error}");
    error
}

#[test]
fn models_that_do_not_fit_are_refused_before_weights_and_the_options_named() {
    let policy = unreadable("tiny-b/policy");
    let decode = |arguments: &[&str]| {
        let mut command = example("decode");
        command.arg("--policy").arg(policy.path()).args(["--layout", "plain", "--prompt", "one question"]);
        command.args(arguments);
        refusal(&mut command)
    };
    let error = decode(&["--memory-mb", "60"]);
    for part in [
        "cannot be held in memory; what helps: weights of 16 bits (--dtype bf16",
        "a smaller model",
        "a model that is served (llamacpp:URL",
        "--memory-mb, if there is more",
        "expected at most 60 MB of memory, found ",
        "caches 64 MB",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("smaller caches"), "they would not help: {error}");
    assert!(!error.contains("found I32"), "no weights were read: {error}");
    let error = decode(&["--memory-mb", "600", "--cache-mb", "700"]);
    assert!(error.contains("what helps: smaller caches (--cache-mb") && error.contains("caches 700 MB"), "{error}");
    let error = decode(&["--memory-mb", "60", "--dtype", "bf16"]);
    assert!(!error.contains("weights of 16 bits"), "{error}");
    assert!(decode(&["--memory-mb", "600"]).contains("found I32"), "the trap");
}

#[test]
fn a_model_that_is_trained_must_fit() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let out = tempfile::tempdir().unwrap();
    let mut train = example("train_guard");
    train.arg("--config").arg(configs.join("train_guard_tiny.toml")).arg("--out").arg(out.path());
    let error = refusal(train.args(["--memory-mb", "10"]));
    assert!(error.contains("what helps: a smaller model, --memory-mb") && error.contains("caches 0 MB"), "{error}");
    let mut rewards = example("rewards");
    let tiny = crate::fixtures().join("tiny-b");
    rewards.arg("--base").arg(tiny.join("guard")).arg("--adapter").arg(tiny.join("mrm"));
    assert!(refusal(rewards.args(["--memory-mb", "10"])).contains("cannot be held in memory"));
}

fn manifest(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("manifest.json")).unwrap()).unwrap()
}

fn within(config: &Path, out: &Path, megabytes: &str) -> Command {
    let mut command = compare(config, out);
    command.args(["--memory-mb", megabytes]);
    command
}

/// Sizes of the caches of policy and reward model.
fn sizes(out: &Path) -> [Option<u64>; 2] {
    let settings = &manifest(out)["settings"];
    let model = &settings["rewards"][0]["model"];
    let reward = model.as_object().and_then(|model| model.values().find_map(|value| value["cache_mb"].as_u64()));
    [settings["policy"]["cache_mb"].as_u64(), model["cache_mb"].as_u64().or(reward)]
}

#[test]
fn a_run_keeps_the_caches_that_it_was_begun_with() {
    let dir = tempfile::tempdir().unwrap();
    let (small, out) = (Small::default().write(dir.path()), dir.path().join("run"));
    succeed(&mut within(&small, &out, "1500"));
    assert_eq!(sizes(&out), [Some(256); 2], "half of 1,430 MB in two parts, rounded down");
    let (begun, whole) = (std::fs::read(out.join("manifest.json")).unwrap(), records(&out));
    // As if it had been killed after its first line, and less is free now.
    let path = out.join("records.jsonl");
    let file = std::fs::read_to_string(&path).unwrap();
    let first = file.split_inclusive('\n').next().unwrap();
    assert!(first.len() < file.len());
    std::fs::write(&path, first).unwrap();
    succeed(&mut within(&small, &out, "700"));
    assert_eq!(std::fs::read(out.join("manifest.json")).unwrap(), begun);
    assert_eq!(records(&out), whole);
    // A new run would have smaller ones.
    let other = dir.path().join("other");
    succeed(&mut within(&small, &other, "700"));
    assert_eq!(sizes(&other), [Some(128); 2]);
    // Too little for what it was begun with.
    let error = refusal(&mut within(&small, &out, "300"));
    assert!(error.contains("smaller caches") && error.contains("caches 512 MB"), "{error}");
    // Another size by name is another run.
    let named =
        std::fs::read_to_string(&small).unwrap().replace("layout = \"plain\"", "layout = \"plain\"\ncache_mb = 99");
    std::fs::write(&small, named).unwrap();
    let error = refusal(&mut within(&small, &out, "1500"));
    assert!(error.contains("cache_mb: 99 here, 256 in the run"), "{error}");
}

#[test]
fn shards_merge_under_a_configuration_that_leaves_caches_open() {
    let dir = tempfile::tempdir().unwrap();
    let small = Small::default().write(dir.path());
    let at = |name: &str| dir.path().join(name);
    for (name, shard, memory) in [("a", "0/2", "1500"), ("b", "1/2", "1400")] {
        succeed(within(&small, &at(name), memory).args(["--shard", shard]));
    }
    let mut merge = example("compare");
    merge.arg("--merge").args([at("a"), at("b")]).arg("--out").arg(at("merged")).arg("--config").arg(&small);
    succeed(&mut merge);
    assert_eq!(sizes(&at("merged")), [Some(256); 2]);
}

#[test]
fn a_labelling_keeps_its_caches() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let dir = tempfile::tempdir().unwrap();
    let out: PathBuf = dir.path().join("labels");
    let label = |megabytes: &str| {
        let mut command = example("label");
        command.arg("--config").arg(configs.join("label_tiny.toml")).arg("--out").arg(&out);
        command.args(["--memory-mb", megabytes]);
        command
    };
    succeed(&mut label("700"));
    let size = |out: &Path| manifest(out)["settings"]["origin"]["guard"]["cache_mb"].as_u64();
    assert_eq!(size(&out), Some(256));
    let begun = std::fs::read(out.join("manifest.json")).unwrap();
    succeed(&mut label("400"));
    assert_eq!(std::fs::read(out.join("manifest.json")).unwrap(), begun);
    assert!(refusal(&mut label("200")).contains("caches 256 MB"));
}
