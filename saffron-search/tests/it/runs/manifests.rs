//! Manifests whose files may lie elsewhere, and whose settings need not all be the same.

use std::path::Path;

use saffron_search::eval::runs::{Counts, Manifest, RunDir, RunError, Shard, merge};
use serde_json::{Value, json};

use super::{complete, plan, timeless, unbroken};

/// A run over files in a folder, as a program that knows of places writes it.
fn begun(folder: &str, width: u32) -> Manifest {
    let settings = settings(folder, width);
    let manifest = Manifest::new(settings, Shard::WHOLE).fingerprint("device", "flex");
    let manifest = manifest.counting("data[0].path", Counts::Extension).counting("policy.model", Counts::Files);
    let manifest = manifest.fingerprint("data[0].path", "crc32 00c0ffee");
    manifest.fingerprint("policy.model/config.json", "crc32 1").fingerprint("policy.model/model.safetensors", "crc32 2")
}

fn settings(folder: &str, width: u32) -> Value {
    let path = format!("{folder}/asked.jsonl");
    json!({ "width": width, "data": [{ "path": path }], "policy": { "model": format!("{folder}/policy") } })
}

/// The same run as an earlier version wrote it: files by their paths.
fn old(folder: &str, width: u32) -> Manifest {
    let manifest = Manifest::new(settings(folder, width), Shard::WHOLE).fingerprint("device", "flex");
    let manifest = manifest.fingerprint(format!("{folder}/asked.jsonl"), "crc32 00c0ffee");
    let manifest = manifest.fingerprint(format!("{folder}/policy/config.json"), "crc32 1");
    manifest.fingerprint(format!("{folder}/policy/model.safetensors"), "crc32 2")
}

fn refused(in_run: &Manifest, now: &Manifest) -> String {
    let dir = tempfile::tempdir().unwrap();
    drop(RunDir::open(dir.path(), in_run.clone()).unwrap());
    let error = RunDir::open(dir.path(), now.clone()).unwrap_err();
    assert!(matches!(error, RunError::OtherSettings { .. }), "{error}");
    error.to_string().split_once("other settings: ").unwrap().1.to_owned()
}

fn written(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("manifest.json")).unwrap()
}

#[test]
fn a_run_goes_on_with_the_same_files_elsewhere_and_its_manifest_stays() {
    let dir = tempfile::tempdir().unwrap();
    drop(RunDir::open(dir.path(), begun("/home/a", 4)).unwrap());
    let before = written(dir.path());
    for folder in ["/home/b", ".", "a/../b"] {
        RunDir::open(dir.path(), begun(folder, 4)).unwrap();
        assert_eq!(written(dir.path()), before, "{folder}");
    }
    assert!(begun("/home/a", 4).same_settings(&begun("b", 4)) && !begun("/home/a", 4).same_settings(&begun("b", 5)));
    assert_eq!(begun("/home/a", 4).identity(), begun("b", 4).identity());
}

#[test]
fn other_bytes_other_settings_and_other_kinds_of_file_are_refused_wherever_they_lie() {
    let run = begun("/home/a", 4);
    let bytes = begun("/home/b", 4).fingerprint("data[0].path", "crc32 0badf00d");
    let differs = "fingerprints.data[0].path: \"crc32 0badf00d\" here, \"crc32 00c0ffee\" in the run";
    assert_eq!(refused(&run, &bytes), differs);
    let more = begun("/home/b", 4).fingerprint("policy.model/more.json", "crc32 3");
    assert_eq!(refused(&run, &more), "fingerprints.policy.model/more.json: \"crc32 3\" here, nothing in the run");
    assert_eq!(refused(&run, &begun("/home/b", 8)), "width: 8 here, 4 in the run");
    let mut csv = begun("/home/b", 4);
    csv.settings["data"][0]["path"] = "asked.csv".into();
    assert_eq!(refused(&run, &csv), "data[0].path: \"*.csv\" here, \"*.jsonl\" in the run");
    let mut none = begun("/home/b", 4);
    none.settings["policy"]["model"] = Value::Null;
    assert_eq!(refused(&run, &none), "policy.model: null here, \"*\" in the run");
}

#[test]
fn a_file_whose_name_is_in_records_keeps_its_name() {
    let begun = |path: &str| {
        let manifest = Manifest::new(json!({ "templates": path }), Shard::WHOLE).fingerprint("templates", "crc32 1");
        manifest.counting("templates", Counts::FileName)
    };
    let dir = tempfile::tempdir().unwrap();
    drop(RunDir::open(dir.path(), begun("a/jail.csv")).unwrap());
    RunDir::open(dir.path(), begun("/b/c/jail.csv")).unwrap();
    assert_eq!(refused(&begun("a/jail.csv"), &begun("a/x.csv")), "templates: \"x.csv\" here, \"jail.csv\" in the run");
}

#[test]
fn a_run_of_an_earlier_version_goes_on_wherever_its_files_are_now() {
    for folder in ["/home/a", "configs/../..", "/home/a/", "."] {
        let dir = tempfile::tempdir().unwrap();
        drop(RunDir::open(dir.path(), old(folder, 4)).unwrap());
        let before = written(dir.path());
        RunDir::open(dir.path(), begun("/somewhere/else", 4)).unwrap();
        assert_eq!(written(dir.path()), before);
    }
    assert_eq!(refused(&old("/home/a", 4), &begun("/home/a", 8)), "width: 8 here, 4 in the run");
    let bytes = begun("/home/a", 4).fingerprint("policy.model/config.json", "crc32 9");
    let differs = "fingerprints.policy.model/config.json: \"crc32 9\" here, \"crc32 1\" in the run";
    assert_eq!(refused(&old("/home/a", 4), &bytes), differs);
    let questions = begun("/home/a", 4).fingerprint("data[0].format.questions", "crc32 5");
    let missing = "fingerprints.data[0].format.questions: \"crc32 5\" here, nothing in the run";
    assert_eq!(refused(&old("/home/a", 4), &questions), missing);
    // One file that two settings name.
    let twice = |manifest: Manifest| {
        let mut manifest = manifest;
        manifest.settings["judge"] = manifest.settings["policy"]["model"].clone();
        manifest
    };
    let dir = tempfile::tempdir().unwrap();
    drop(RunDir::open(dir.path(), twice(old("/home/a", 4))).unwrap());
    let now = twice(begun("b", 4)).counting("judge", Counts::Files).fingerprint("judge/config.json", "crc32 1");
    RunDir::open(dir.path(), now.fingerprint("judge/model.safetensors", "crc32 2")).unwrap();
}

#[test]
fn what_does_not_count_may_be_another_and_the_manifest_says_the_latest() {
    let lasting = |epochs: Option<u32>| {
        let settings = json!({ "rate": 0.5, "run": { "seed": 1 } });
        let mut manifest = Manifest::new(settings, Shard::WHOLE).counting("run.epochs", Counts::Nothing);
        if let Some(epochs) = epochs {
            manifest.settings["run"]["epochs"] = epochs.into();
        }
        manifest
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest.json");
    for epochs in [Some(1), Some(3), None, Some(3)] {
        lasting(epochs).settle(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), Some(lasting(epochs)));
    }
    let mut other = lasting(Some(3));
    other.settings["run"]["seed"] = 2.into();
    assert!(other.settle(&path).unwrap_err().to_string().ends_with("run.seed: 2 here, 1 in the run"));
    assert_eq!(Manifest::read(&path).unwrap(), Some(lasting(Some(3))));
}

#[test]
fn shards_from_two_folders_are_merged() {
    let plan = plan(6);
    let dir = tempfile::tempdir().unwrap();
    let shards = [("/home/a", "0/2"), ("/mnt/b", "1/2")];
    let paths = shards.map(|(folder, shard)| {
        let path = dir.path().join(shard.replace('/', "-"));
        let manifest = begun(folder, 4).with_shard(shard.parse().unwrap());
        complete(&mut RunDir::open(&path, manifest).unwrap(), &plan, 1.0);
        path
    });
    let merged = merge(&paths, &dir.path().join("all")).unwrap();
    assert!(merged.missing.is_empty());
    assert_eq!(timeless(merged.run.path()), unbroken(&plan));
    // One of them by an earlier version.
    let earlier = old("c/d", 4).with_shard("1/2".parse().unwrap());
    let path = dir.path().join("earlier");
    complete(&mut RunDir::open(&path, earlier).unwrap(), &plan, 1.0);
    let merged = merge(&[path, paths[0].clone()], &dir.path().join("both")).unwrap();
    assert_eq!(timeless(merged.run.path()), unbroken(&plan));
}
