//! Models by their names on the hub.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::web::{Asked, Web};
use super::{QUESTION, answered, answers, compare, config, example, fixture, manifest, prompts, run, succeed, text};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// A hub of some models, each at a commit.
struct Hub {
    web: Web,
    commit: Arc<Mutex<&'static str>>,
    cache: tempfile::TempDir,
}

impl Hub {
    /// `org/tiny-b-policy` and `org/tiny-b-guard`.
    fn new() -> Self {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for model in ["policy", "guard"] {
            for entry in std::fs::read_dir(crate::fixtures().join("tiny-b").join(model)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                files.insert(format!("org/tiny-b-{model}/{name}"), std::fs::read(&path).unwrap());
            }
        }
        let commit = Arc::new(Mutex::new(COMMIT));
        let now = commit.clone();
        let web = Web::serve(move |asked| reply(asked, &files, *now.lock().unwrap()));
        Self { web, commit, cache: tempfile::tempdir().unwrap() }
    }

    /// The command, which finds the hub in its environment.
    fn on<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let command = command.env("HF_ENDPOINT", self.web.url()).env("HF_HUB_CACHE", self.cache.path());
        command.env_remove("HF_TOKEN").env_remove("HF_HUB_OFFLINE")
    }
}

fn reply(asked: &Asked, files: &BTreeMap<String, Vec<u8>>, commit: &str) -> (u16, Vec<u8>) {
    if let Some((model, _)) = asked.path.strip_prefix("/api/models/").and_then(|path| path.split_once("/revision/")) {
        let names = files.keys().filter_map(|name| name.strip_prefix(model)?.strip_prefix('/'));
        let siblings: Vec<_> = names.map(|name| json!({ "rfilename": name })).collect();
        let status = if siblings.is_empty() { 404 } else { 200 };
        return (status, json!({ "sha": commit, "siblings": siblings }).to_string().into_bytes());
    }
    let name = asked.path.trim_start_matches('/').replace(&format!("resolve/{commit}/"), "");
    files.get(&name).map_or((404, Vec::new()), |bytes| (200, bytes.clone()))
}

#[test]
fn compare_on_a_hub_name_keeps_the_commit_and_refuses_another() {
    let (hub, dir) = (Hub::new(), tempfile::tempdir().unwrap());
    let local = answered(dir.path(), "local", &format!("model = \"{}\"\nlayout = \"plain\"", fixture("tiny-b/policy")));
    let file = config(dir.path(), "model = \"org/tiny-b-policy\"\nlayout = \"plain\"", "");
    let out = dir.path().join("hub");
    succeed(hub.on(&mut compare(&file, &out)));
    assert_eq!(answers(&out), local);
    let manifest = manifest(&out);
    assert_eq!(manifest["settings"]["policy"]["model"], "org/tiny-b-policy");
    assert_eq!(manifest["fingerprints"]["org/tiny-b-policy"], format!("commit {COMMIT}"));
    let cache = hub.cache.path().display().to_string();
    assert!(!manifest.to_string().contains(&cache), "where the hub's files are kept is no part of a run");
    succeed(hub.on(&mut compare(&file, &out)));
    *hub.commit.lock().unwrap() = OTHER;
    let output = run(hub.on(&mut compare(&file, &out)));
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("org/tiny-b-policy"), "{error}");
    assert!(error.contains(&format!("commit {OTHER}")) && error.contains(&format!("commit {COMMIT}")), "{error}");
}

#[test]
fn what_is_beside_the_configuration_is_no_name_of_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let beside = dir.path().join("org/tiny-b-policy");
    std::fs::create_dir_all(&beside).unwrap();
    for entry in std::fs::read_dir(crate::fixtures().join("tiny-b/policy")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, beside.join(path.file_name().unwrap())).unwrap();
    }
    // Nobody listens where the hub would be.
    let file = config(dir.path(), "model = \"org/tiny-b-policy\"\nlayout = \"plain\"", "");
    let out = dir.path().join("run");
    succeed(compare(&file, &out).env("HF_ENDPOINT", "http://127.0.0.1:9").env("HF_HUB_CACHE", dir.path().join("none")));
    assert_eq!(manifest(&out)["settings"]["policy"]["model"], beside.display().to_string());
}

#[test]
fn init_mrm_takes_a_hub_name_and_the_adapter_names_it() {
    let (hub, dir) = (Hub::new(), tempfile::tempdir().unwrap());
    let mrm = dir.path().join("mrm");
    let mut init = example("init_mrm");
    succeed(hub.on(init.args(["--base", "org/tiny-b-guard", "--random", "--out"]).arg(&mrm)));
    let snapshot = hub.cache.path().join("models--org--tiny-b-guard/snapshots").join(COMMIT);
    assert!(
        snapshot.join("config.json").is_file() && !snapshot.join("model.safetensors").exists(),
        "no weights are needed"
    );
    let adapter = std::fs::read_to_string(mrm.join("adapter_config.json")).unwrap();
    assert!(adapter.contains("\"org/tiny-b-guard\""), "{adapter}");
    let mut decode = example("decode");
    decode.args([
        "--policy",
        &fixture("tiny-b/policy"),
        "--layout",
        "plain",
        "--prompt",
        "hello",
        "--max-new-tokens",
        "3",
    ]);
    succeed(hub.on(decode.arg("--mrm").arg(&mrm).args(["--width", "2"])));
}

/// A labelling of three prompts' replies by a guard.
fn label_config(dir: &Path, guard: &str, policy: &str) -> std::path::PathBuf {
    let prompts = prompts();
    let file = format!(
        "[corpus.data]\nname = \"asked\"\npath = \"{prompts}\"\nformat = \"prompts\"\nlimit = 3\n\n[corpus.sampled]\npolicy = {policy}\n\
         max_new_tokens = 4\n\n[guard]\nbase = \"{guard}\"\nquestion = {QUESTION}\n"
    );
    let path = dir.join("label.toml");
    std::fs::write(&path, file).unwrap();
    path
}

#[test]
fn label_takes_hub_names_for_policy_and_guard() {
    let (hub, dir) = (Hub::new(), tempfile::tempdir().unwrap());
    let labels = |name: &str, guard: &str, policy: &str| {
        let mut label = example("label");
        let policy = format!("{{ model = \"{policy}\", layout = \"plain\" }}");
        label.arg("--config").arg(label_config(dir.path(), guard, &policy)).arg("--out").arg(dir.path().join(name));
        succeed(hub.on(&mut label));
        std::fs::read(dir.path().join(name).join("labels.jsonl")).unwrap()
    };
    let local = labels("local", &fixture("tiny-b/guard"), &fixture("tiny-b/policy"));
    assert!(labels("hub", "org/tiny-b-guard", "org/tiny-b-policy") == local);
    let fingerprints = &manifest(&dir.path().join("hub"))["fingerprints"];
    for name in ["org/tiny-b-guard", "org/tiny-b-policy"] {
        assert_eq!(fingerprints[name], format!("commit {COMMIT}"));
    }
}
