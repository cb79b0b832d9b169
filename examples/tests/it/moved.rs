//! Comparisons whose folders are moved or copied, whose files are changed, whose lock is removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::compare::{compare, records, succeed};
use crate::programs::{example, run, text};

const CONFIG: &str = r#"max_new_tokens = 32
group = 2
keep_text = true

[policy]
model = "policy"
layout = "plain"

[[judges]]
name = "phrases"
judge = { kind = "refusal-phrases" }

[[data]]
name = "asked"
path = "q.jsonl"
format = "prompts"

[[data]]
name = "harmless"
path = "more/q.jsonl"
format = "prompts"
benign = true

[[strategies]]
name = "sampling"
strategy = { kind = "sampling" }

[[strategies]]
name = "greedy"
strategy = { kind = "greedy" }
"#;

/// A folder with a comparison and all that it reads, named from that folder.
fn folder(dir: &Path, name: &str) -> PathBuf {
    let folder = dir.join(name);
    fs::create_dir_all(folder.join("more")).unwrap();
    fs::create_dir(folder.join("policy")).unwrap();
    for entry in fs::read_dir(crate::fixtures().join("tiny-b/policy")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join("policy").join(path.file_name().unwrap())).unwrap();
    }
    let rows = |words: &str| {
        (0..15).map(|row| format!("{{\"id\": \"q{row}\", \"prompt\": \"{words} {row}?\"}}\n")).collect::<String>()
    };
    fs::write(folder.join("q.jsonl"), rows("How are locks made")).unwrap();
    fs::write(folder.join("more/q.jsonl"), rows("Why is the sky blue")).unwrap();
    fs::write(folder.join("c.toml"), CONFIG).unwrap();
    folder
}

fn shard(config: &Path, out: &Path, shard: &str) -> Command {
    let mut command = compare(config, out);
    command.args(["--shard", shard]);
    command
}

/// Starts a comparison and waits until it has written some records.
fn started(command: &mut Command, out: &Path, records: usize) -> Child {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let lines = || fs::read_to_string(out.join("records.jsonl")).map_or(0, |file| file.lines().count());
    while lines() < records {
        assert!(child.try_wait().unwrap().is_none(), "the run was over before it was looked at");
        assert!(begun.elapsed() < Duration::from_secs(120), "stuck");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn refusal(command: &mut Command) -> String {
    let output = run(command);
    let error = text(&output.stderr);
    assert!(!output.status.success() && !error.contains("panicked"), "{error}");
    error
}

fn manifest(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn shards_of_two_folders_killed_moved_resumed_and_merged_are_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let whole = folder(dir.path(), "whole");
    succeed(&mut compare(&whole.join("c.toml"), &whole.join("out")));

    let (a, moved) = (folder(dir.path(), "a"), dir.path().join("far/away"));
    let mut child = started(&mut shard(&a.join("c.toml"), &a.join("out"), "0/2"), &a.join("out"), 3);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "the run was over before it could be killed");
    fs::create_dir(dir.path().join("far")).unwrap();
    fs::rename(&a, &moved).unwrap();
    let before = manifest(&moved.join("out"));
    succeed(shard(Path::new("c.toml"), Path::new("out"), "0/2").current_dir(&moved));
    assert_eq!(manifest(&moved.join("out")), before);

    let b = folder(dir.path(), "b");
    let config = Path::new("./b/../b/c.toml");
    let mut child = started(shard(config, Path::new("b/out"), "1/2").current_dir(dir.path()), &b.join("out"), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    succeed(&mut shard(&b.join("c.toml"), &b.join("out"), "1/2"));

    let all = dir.path().join("all");
    succeed(example("compare").arg("--merge").args([b.join("out"), moved.join("out")]).arg("--out").arg(&all));
    assert_eq!(records(&all), records(&whole.join("out")), "the same records in the same order");
    let written = fs::read_to_string(all.join("manifest.json")).unwrap();
    assert!(!written.contains(&dir.path().display().to_string()), "no path of this machine: {written}");
    let said = manifest(&all);
    assert_eq!(said["settings"]["data"][1]["path"], "more/q.jsonl");
    let names: Vec<&String> = said["fingerprints"].as_object().unwrap().keys().collect();
    assert!(names.iter().any(|name| *name == "data[1].path"), "{names:?}");
    assert!(names.iter().any(|name| *name == "policy.model/model.safetensors"), "{names:?}");
}

#[test]
fn files_are_told_by_their_bytes_and_not_by_their_paths() {
    let dir = tempfile::tempdir().unwrap();
    let (a, out) = (folder(dir.path(), "a"), dir.path().join("out"));
    succeed(&mut compare(&a.join("c.toml"), &out));
    let renamed = CONFIG.replace("\"q.jsonl\"", "\"questions.jsonl\"").replace("\"policy\"", "\"model\"");
    fs::write(a.join("c.toml"), renamed).unwrap();
    fs::rename(a.join("q.jsonl"), a.join("questions.jsonl")).unwrap();
    fs::rename(a.join("policy"), a.join("model")).unwrap();
    succeed(&mut compare(&a.join("c.toml"), &out));
    let bytes = fs::read_to_string(a.join("questions.jsonl")).unwrap();
    fs::write(a.join("questions.jsonl"), bytes.replace("made 7", "sold 7")).unwrap();
    let error = refusal(&mut compare(&a.join("c.toml"), &out));
    assert!(error.contains("fingerprints.data[0].path: \"crc32 "), "{error}");
    fs::write(a.join("questions.jsonl"), bytes).unwrap();
    fs::write(a.join("model/more.json"), "{}").unwrap();
    let error = refusal(&mut compare(&a.join("c.toml"), &out));
    assert!(error.contains("fingerprints.policy.model/more.json"), "{error}");
}

#[test]
fn questions_behind_replies_and_templates_are_among_the_files_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let (a, out) = (folder(dir.path(), "a"), dir.path().join("out"));
    fs::write(a.join("more/asked.csv"), "index,text\n0,How is tea made?\n1,Who wrote it?\n").unwrap();
    fs::write(a.join("more/replies.csv"), "question,Response,label\n0,Sure. First,1\n1,I cannot.,0\n").unwrap();
    fs::write(a.join("around.csv"), "text\nAct as a friend. {prompt}\n").unwrap();
    let format = "format = { gptfuzz-responses = { questions = \"asked.csv\" } }\ntemplates = \"around.csv\"";
    let config = CONFIG.replacen("\"q.jsonl\"\nformat = \"prompts\"", &format!("\"more/replies.csv\"\n{format}"), 1);
    fs::write(a.join("c.toml"), config).unwrap();
    succeed(&mut compare(&a.join("c.toml"), &out));
    let moved = dir.path().join("b");
    fs::rename(&a, &moved).unwrap();
    succeed(&mut compare(&moved.join("c.toml"), &out));
    for (file, place) in
        [("more/asked.csv", "data[0].format.gptfuzz-responses.questions"), ("around.csv", "data[0].templates")]
    {
        let bytes = fs::read_to_string(moved.join(file)).unwrap();
        fs::write(moved.join(file), bytes.replace(['.', '?'], "!")).unwrap();
        let error = refusal(&mut compare(&moved.join("c.toml"), &out));
        assert!(error.contains(&format!("fingerprints.{place}: \"crc32 ")), "{error}");
        fs::write(moved.join(file), bytes).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn removing_the_lock_under_a_comparison_lets_no_second_one_write() {
    let dir = tempfile::tempdir().unwrap();
    let whole = folder(dir.path(), "whole");
    succeed(&mut compare(&whole.join("c.toml"), &whole.join("out")));
    let (config, out) = (whole.join("c.toml"), dir.path().join("out"));
    let mut first = started(&mut compare(&config, &out), &out, 1);
    fs::remove_file(out.join("lock")).unwrap();
    let error = refusal(&mut compare(&config, &out));
    assert!(error.contains("held by another process"), "{error}");
    assert!(first.wait().unwrap().success());
    assert_eq!(records(&out), records(&whole.join("out")));
}

#[test]
fn a_merged_run_is_logged_where_its_configuration_says() {
    let dir = tempfile::tempdir().unwrap();
    let a = folder(dir.path(), "a");
    let with_log = format!("log = \"log.jsonl\"\n{}", CONFIG.replace("max_new_tokens = 32", "max_new_tokens = 2"));
    fs::write(a.join("c.toml"), &with_log).unwrap();
    let parts = ["0/2", "1/2"].map(|part| {
        let out = dir.path().join(part.replace('/', "-"));
        succeed(&mut shard(&a.join("c.toml"), &out, part));
        out
    });
    let lines = || fs::read_to_string(a.join("log.jsonl")).unwrap().lines().count();
    let merge = |out: &str, config: Option<&Path>| {
        let mut command = example("compare");
        command.arg("--merge").args(&parts).arg("--out").arg(dir.path().join(out));
        command.args(config.into_iter().flat_map(|path| [Path::new("--config"), path]));
        command
    };
    let output = succeed(&mut merge("first", None));
    assert!(text(&output.stderr).contains("name it (--config) to log the run"));
    assert!(!Path::new("log.jsonl").exists());
    assert_eq!(lines(), 2);
    succeed(&mut merge("second", Some(&a.join("c.toml"))));
    assert_eq!(lines(), 3);
    fs::write(a.join("other.toml"), with_log.replace("group = 2", "group = 3")).unwrap();
    assert!(refusal(&mut merge("third", Some(&a.join("other.toml")))).contains("is not of a run by"));
}
