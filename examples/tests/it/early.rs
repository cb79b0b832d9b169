//! What can be refused early is refused early: before weights are read, which may take long.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compare_settings::Small;
use crate::programs::{example, run, text};

/// A copy of a fixture's model with weights that cannot be read. An error that names them shows
/// that somebody tried to.
pub(crate) fn unreadable(model: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(crate::fixtures().join(model)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.path().join("model.safetensors"), "no weights").unwrap();
    folder
}

fn refusal(command: &mut Command) -> String {
    let output = run(command);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {error}");
    assert!(!error.contains("panicked"), "{error}");
    error
}

/// Why a program refuses a model, which is not that its weights cannot be read.
fn early(command: &mut Command, says: &str) {
    let error = refusal(command);
    assert!(error.contains(says), "{command:?}: {error}");
    assert!(!error.contains("/model.safetensors"), "{command:?}: {error}");
}

fn asks(name: &str, policy: &Path, layout: &str) -> Command {
    let mut command = example(name);
    command.arg("--policy").arg(policy).args(["--layout", layout, "--prompt", "one question"]);
    command
}

#[test]
fn a_layout_that_the_tokenizer_lacks_is_refused_before_the_weights() {
    let policy = unreadable("tiny-b/policy");
    let decode = |layout: &str| asks("decode", policy.path(), layout);
    assert!(refusal(&mut decode("plain")).contains("model.safetensors"), "the trap");
    early(&mut decode("llama3"), "layout \"llama3\": ");
    early(&mut decode("template"), "has no chat template");
    early(decode("plain").args(["--system", "Be brief."]), "a system prompt needs a chat template");
    std::fs::write(policy.path().join("chat_template.jinja"), "{% for").unwrap();
    early(&mut decode("template"), "chat_template.jinja");
    let (model, dir) = (policy.path().display().to_string(), tempfile::tempdir().unwrap());
    let small = Small::default().write(dir.path());
    let file = std::fs::read_to_string(&small).unwrap();
    let place = format!("{:?}", crate::fixtures().join("tiny-b/policy"));
    let file = file.replace(&place, &format!("{model:?}")).replace("layout = \"plain\"", "layout = \"llama3\"");
    std::fs::write(&small, file).unwrap();
    early(example("compare").arg("--config").arg(&small).arg("--out").arg(dir.path().join("out")), "layout \"llama3\"");
}

#[test]
fn a_reward_model_is_looked_at_before_any_weights() {
    let (policy, guard) = (unreadable("tiny-b/policy"), unreadable("tiny-b/guard"));
    let mrm = crate::fixtures().join("tiny-b/mrm");
    let decode = || asks("decode", policy.path(), "plain");
    early(decode().args(["--mrm", "/nowhere"]), "/nowhere/adapter_config.json");
    let with = |base: &Path| {
        let mut command = decode();
        command.arg("--mrm").arg(&mrm).arg("--guard").arg(base);
        command
    };
    early(with(guard.path()).args(["--mrm-layout", "llama3"]), "layout \"llama3\": ");
    early(&mut with(&crate::fixtures().join("tiny-a/guard")), "8 unexpected tensors");
    early(&mut with(Path::new("/nowhere/guard")), "/nowhere/guard");
    std::fs::remove_file(guard.path().join("tokenizer.json")).unwrap();
    early(asks("best_of_n", policy.path(), "plain").arg("--guard").arg(guard.path()), "tokenizer.json");
}

#[test]
fn a_guard_that_nobody_said_how_to_ask_is_refused_with_what_to_do() {
    let (guard, dir) = (unreadable("tiny-b/guard"), tempfile::tempdir().unwrap());
    let model = guard.path().display().to_string();
    let out = dir.path().join("out");
    let judges =
        format!("[[judges]]\nname = \"guard\"\njudge = {{ kind = \"guard\", guard = {{ model = {model:?} }} }}\n");
    let compare = Small { judges: &judges, ..Small::default() }.write(dir.path());
    let label = changed(dir.path(), "label", &[("\"../../fixtures/tiny-b/guard\"", &format!("{model:?}"))]);
    let train = changed(dir.path(), "train_guard", &[("\"../../fixtures/tiny-b/guard\"", &format!("{model:?}"))]);
    for (name, config) in
        [("compare", compare), ("label", without_question(&label)), ("train_guard", without_question(&train))]
    {
        let mut command = example(name);
        early(command.arg("--config").arg(&config).arg("--out").arg(&out), "is asked in words: set `question`");
        assert!(!out.exists(), "{name}: nothing was begun");
    }
    // That a server is asked in words is known when the file is read.
    let served = judges.replace(&format!("{model:?}"), "\"vllm:http://127.0.0.1:9\"");
    let compare = Small { judges: &served, ..Small::default() }.write(dir.path());
    let label = std::fs::read_to_string(&label).unwrap().replace(&format!("{model:?}"), "\"vllm:http://127.0.0.1:9\"");
    std::fs::write(dir.path().join("served.toml"), label).unwrap();
    for (name, config) in [("compare", compare), ("label", dir.path().join("served.toml"))] {
        let mut command = example(name);
        early(command.arg("--config").arg(&config).arg("--out").arg(&out), "is a server: set `question`");
    }
}

/// A program's tiny configuration with some parts changed, in another folder.
fn changed(dir: &Path, name: &str, changes: &[(&str, &str)]) -> PathBuf {
    let here = crate::root().join("examples/configs").canonicalize().unwrap().display().to_string();
    let mut file = std::fs::read_to_string(format!("{here}/{name}_tiny.toml")).unwrap();
    for (from, to) in changes {
        assert!(file.contains(from), "{from}");
        file = file.replace(from, to);
    }
    file = file.replace("\"../../", &format!("\"{here}/../../"));
    for data in ["pairs.jsonl", "replies.jsonl"] {
        file = file.replace(&format!("\"{data}\""), &format!("\"{here}/{data}\""));
    }
    let path = dir.join(format!("{name}.toml"));
    std::fs::write(&path, file).unwrap();
    path
}

fn without_question(config: &Path) -> PathBuf {
    let file = std::fs::read_to_string(config).unwrap();
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with("question = ")).collect();
    assert!(lines.len() < file.lines().count());
    std::fs::write(config, lines.join("\n")).unwrap();
    config.to_path_buf()
}

#[test]
fn a_cache_beyond_the_memory_is_refused_before_anything_is_read() {
    let (policy, dir) = (unreadable("tiny-b/policy"), tempfile::tempdir().unwrap());
    let decode = |megabytes: &str| {
        let mut command = asks("decode", policy.path(), "plain");
        command.args(["--cache-mb", megabytes]);
        command
    };
    for wrapped in ["17592186044416", "18446744073709551615"] {
        early(&mut decode(wrapped), &format!("cache_mb: expected at most 17592186044415 megabytes, found {wrapped}"));
    }
    if cfg!(target_os = "linux") {
        early(&mut decode("17592186044415"), "megabytes, and the memory of this machine has");
        early(&mut decode("100000000"), "cache_mb: 100000000 megabytes, and the memory of this machine has");
    }
    let small = Small::default().write(dir.path());
    let file = std::fs::read_to_string(&small).unwrap().replace("adapter = ", "cache_mb = 17592186044416, adapter = ");
    std::fs::write(&small, file).unwrap();
    let mut compare = example("compare");
    compare.arg("--config").arg(&small).arg("--out").arg(dir.path().join("out"));
    early(&mut compare, "the reward model mrm: cache_mb: expected at most 17592186044415 megabytes");
}

#[test]
fn a_rank_beyond_the_layer_is_refused_before_the_weights() {
    let (base, dir) = (unreadable("tiny-b/guard"), tempfile::tempdir().unwrap());
    let model = format!("{:?}", base.path());
    let init = |arguments: [&str; 2]| {
        let mut init = example("init_mrm");
        init.arg("--base").arg(base.path()).arg("--out").arg(dir.path().join("mrm")).args(arguments);
        init
    };
    early(&mut init(["--rank", "100000000"]), "r: expected at most ");
    early(&mut init(["--alpha", "inf"]), "lora_alpha: expected a finite scale");
    for name in ["train_guard", "train_mrm"] {
        let changes = [("\"../../fixtures/tiny-b/guard\"", &model[..]), ("rank = 4", "rank = 100000000")];
        let config = changed(dir.path(), name, &changes);
        let mut train = example(name);
        train.arg("--config").arg(&config).arg("--out").arg(dir.path().join("run"));
        early(&mut train, "the smaller side of model.layers.0.self_attn.q_proj, found 100000000");
    }
}

#[test]
fn what_the_language_calls_values_of_several_shapes_does_not_reach_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let judge = |value: &str| format!("[[judges]]\nname = \"mine\"\njudge = {value}\n");
    let cases = [
        (judge("\"refusal-phrases\""), "expected a table whose `kind` says what it is"),
        (judge("{ phrases = 3 }"), "missing field `kind`"),
        (judge("{ kind = \"phrases\" }"), "unknown variant `phrases`, expected one of `guard`, `refusal-phrases`"),
    ];
    for (judges, says) in cases {
        let config = Small { judges: &judges, ..Small::default() }.write(dir.path());
        let error = refusal(example("compare").arg("--config").arg(&config).arg("--out").arg(dir.path().join("out")));
        assert!(error.contains(says) && error.contains("judge = ") && !error.contains("tagged"), "{error}");
    }
    let strategies = "[[strategies]]\nname = \"mine\"\nstrategy = 3\n";
    let config = Small { strategies, ..Small::default() }.write(dir.path());
    let error = refusal(example("compare").arg("--config").arg(&config).arg("--out").arg(dir.path().join("out")));
    assert!(error.contains("strategy = 3") && error.contains("a table whose `kind`"), "{error}");
}
