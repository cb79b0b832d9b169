//! The labelling program: whole runs with tiny checkpoints, killed, resumed, sharded, refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use saffron_train::labels::{self, LabelSummary, TokenRewards};
use serde_json::Value;

use crate::programs::{example, run, text};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")
}

fn label(config: &Path, out: &Path) -> Command {
    let mut command = example("label");
    command.arg("--config").arg(config).arg("--out").arg(out);
    command
}

fn succeed(command: &mut Command) -> Output {
    let output = run(command);
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

/// The tiny configuration with some parts changed.
fn changed(dir: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let mut file = std::fs::read_to_string(folder().join("label_tiny.toml")).unwrap();
    for (from, to) in changes {
        assert!(file.contains(from), "{from}");
        file = file.replace(from, to);
    }
    let here = folder().display().to_string();
    file = file.replace("\"../../", &format!("\"{here}/../../"));
    for name in ["pairs.jsonl", "prompts.jsonl"] {
        file = file.replace(&format!("\"{name}\""), &format!("\"{here}/{name}\""));
    }
    let path = dir.join("changed.toml");
    std::fs::write(&path, file).unwrap();
    path
}

/// Two replies a question, of a policy whose reply begins with ten forced tokens.
fn sampled(dir: &Path) -> PathBuf {
    let sampled = r#"format = "prompts"

[corpus.sampled]
policy = { model = "../../fixtures/tiny-b/policy", layout = "plain" }
attack = { kind = "prefill", tokens = 10, text = { pattern = "Sure, here is {request}" } }
samples = 2
max_new_tokens = 12
filter = { temperature = 0.9 }"#;
    let asked = ("\"pairs.jsonl\"", "\"prompts.jsonl\"");
    changed(dir, &[asked, ("format = \"hh-rlhf\"", sampled), ("group = 2", "group = 3")])
}

fn lines(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("labels.jsonl")).unwrap_or_default()
}

fn count(dir: &Path) -> usize {
    lines(dir).iter().filter(|byte| **byte == b'\n').count()
}

fn records(dir: &Path) -> Vec<TokenRewards> {
    labels::read(dir).unwrap().1
}

#[test]
fn the_tiny_corpus_gets_all_that_is_promised() {
    let out = tempfile::tempdir().unwrap();
    let printed = text(&succeed(&mut label(&folder().join("label_tiny.toml"), out.path())).stdout);
    assert!(printed.starts_with("19 of 20 replies labelled, 1 were empty"), "{printed}");
    let (manifest, records) = labels::read(out.path()).unwrap();
    assert_eq!(labels::parquet::read(&out.path().join("labels.parquet")).unwrap(), (manifest, records.clone()));
    assert_eq!((&records[0].id[..], records[0].group.as_deref()), ("0/chosen", Some("0")));
    assert_eq!((&records[1].id[..], &records[1].set[..]), ("0/rejected", "harmless"));
    assert_eq!(records[0].prompt, records[1].prompt);
    let summary: LabelSummary =
        serde_json::from_slice(&std::fs::read(out.path().join("summary.json")).unwrap()).unwrap();
    assert_eq!((summary.items, summary.labelled), (20, 19));
    assert_eq!(summary.tokens, records.iter().map(|record| record.rewards.len()).sum::<usize>());
    let log = std::fs::read_to_string(out.path().join("log.jsonl")).unwrap();
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(log.iter().map(|line| line["group"].as_u64().unwrap()).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    let tokens: u64 = log.iter().map(|line| line["tokens"].as_u64().unwrap()).sum();
    assert_eq!(tokens, summary.tokens as u64);
    for line in log {
        let number = |name: &str| line[name].as_f64().unwrap();
        assert!((number("tokens_per_second") * number("seconds") - number("tokens")).abs() < 1e-6);
        assert!(2.0 * number("computed_tokens") < number("asked_tokens"), "the cache saves most: {line}");
    }
}

/// Starts the program and kills it once it has written `goal` labels, or a little later; says whether it was still running.
fn killed(config: &Path, out: &Path, goal: usize, later: Duration) -> bool {
    let mut child = label(config, out).stdout(std::process::Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while (count(out) < goal || !out.join("manifest.json").exists()) && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(120), "stuck at {} labels", count(out));
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(later);
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

#[test]
fn a_run_killed_at_ten_moments_ends_with_the_bytes_of_one_that_was_not() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, pieces) = (dir.path().join("whole"), dir.path().join("pieces"));
    let config = changed(dir.path(), &[("group = 2", "group = 1")]);
    succeed(&mut label(&config, &whole));
    let mut kills = 0;
    for (moment, goal) in [0, 1, 2, 4, 6, 8, 10, 12, 14, 16].into_iter().enumerate() {
        kills += usize::from(killed(&config, &pieces, goal, Duration::from_millis(2 * moment as u64)));
        let written = lines(&pieces);
        let whole_lines = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        assert!(lines(&whole).starts_with(&written[..whole_lines]), "after kill {moment}");
    }
    assert!(kills >= 8, "the run was over before it could be killed: {kills} kills");
    succeed(&mut label(&config, &pieces));
    assert!(lines(&pieces) == lines(&whole));
    for name in ["summary.json", "labels.parquet", "manifest.json"] {
        assert!(std::fs::read(pieces.join(name)).unwrap() == std::fs::read(whole.join(name)).unwrap(), "{name}");
    }
    let log = std::fs::read_to_string(pieces.join("log.jsonl")).unwrap();
    let groups: Vec<u64> =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["group"].as_u64().unwrap()).collect();
    assert!(groups.is_sorted_by(|a, b| a < b) && groups.len() + 10 >= 20, "{groups:?}");
}

#[test]
fn replies_of_an_attacked_policy_are_the_same_however_often_the_run_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, pieces) = (dir.path().join("whole"), dir.path().join("pieces"));
    let config = sampled(dir.path());
    succeed(&mut label(&config, &whole));
    let records = records(&whole);
    // Eight questions, each asked twice.
    assert_eq!(count(&whole), 16);
    let samples = |question: &str| -> Vec<&TokenRewards> {
        records.iter().filter(|record| record.group.as_deref() == Some(question)).collect()
    };
    let bread = samples("bread");
    assert_eq!(bread.iter().map(|record| &record.id[..]).collect::<Vec<_>>(), ["bread/0", "bread/1"]);
    assert!(bread[0].prompt == bread[1].prompt && bread[0].reply != bread[1].reply, "samples differ");
    let lengths: Vec<usize> = records.iter().map(|record| record.reply.len()).collect();
    assert!(lengths.iter().all(|length| *length <= 12) && lengths.iter().any(|length| *length < 12), "{lengths:?}");
    // The policy's end of sequence, by its `generation_config.json`.
    assert!(records.iter().all(|record| !record.reply.contains(&1)), "ends are left out");
    for goal in [3, 9] {
        killed(&config, &pieces, goal, Duration::ZERO);
    }
    succeed(&mut label(&config, &pieces));
    assert!(lines(&pieces) == lines(&whole));
}

#[test]
fn shards_are_merged_into_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let config = sampled(dir.path());
    succeed(&mut label(&config, &at("whole")));
    for shard in ["0/2", "1/2"] {
        succeed(label(&config, &at(&shard.replace('/', "-"))).args(["--shard", shard]));
    }
    let merge = |from: &[&str], out: &str| {
        let mut merge = example("label");
        merge.arg("--merge").args(from.iter().map(|name| at(name))).arg("--out").arg(at(out));
        run(&mut merge)
    };
    let output = merge(&["1-2", "0-2"], "merged");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(lines(&at("merged")) == lines(&at("whole")));
    for name in ["summary.json", "labels.parquet"] {
        assert!(std::fs::read(at("merged").join(name)).unwrap() == std::fs::read(at("whole").join(name)).unwrap());
    }
    let output = merge(&["0-2"], "half");
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("shards are missing: 1/2"), "{error}");
}

#[test]
fn rows_are_chosen_by_seed_and_limit_and_long_replies_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let chosen = |changes: &[(&str, &str)], name: &str| {
        let out = dir.path().join(name);
        succeed(&mut label(&changed(dir.path(), changes), &out));
        let ids = records(&out).iter().map(|record| record.id.clone()).collect::<Vec<_>>();
        (ids, out)
    };
    let limit = ("format = \"hh-rlhf\"", "format = \"hh-rlhf\"\nlimit = 2");
    assert_eq!(chosen(&[limit], "first").0, ["0/chosen", "0/rejected", "1/chosen", "1/rejected"]);
    let sample = ("format = \"hh-rlhf\"", "format = \"hh-rlhf\"\nsample = 2");
    let (drawn, _) = chosen(&[sample], "drawn");
    assert_eq!(drawn, chosen(&[sample], "again").0);
    assert_ne!(drawn, chosen(&[sample, ("seed = 7", "seed = 8")], "other").0);
    let share = |take| {
        let line = format!("format = \"hh-rlhf\"\nshare = {{ take = {take}, of = 2 }}");
        chosen(&[("format = \"hh-rlhf\"", &line)], &format!("share {take}")).0
    };
    let (one, other, all) = (share(0), share(1), chosen(&[], "all").0);
    assert!(!one.is_empty() && !other.is_empty() && one.iter().all(|id| !other.contains(id)), "{one:?}, {other:?}");
    let mut both = [one, other].concat();
    both.sort_by_key(|id| all.iter().position(|one| one == id));
    assert_eq!(both, all, "two halves are the whole");
    let (_, out) = chosen(&[limit, ("max_tokens = 128", "max_tokens = 20")], "short");
    let short = records(&out);
    assert!(short.iter().all(|record| record.prompt.len() + record.reply.len() <= 20));
    assert!(short.iter().any(|record| record.cut > 0));
}

#[test]
fn what_stands_behind_the_limit_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let rows = std::fs::read_to_string(folder().join("pairs.jsonl")).unwrap();
    let own = dir.path().join("own.jsonl");
    let labels = |name: &str, content: &str, choice: &str| {
        std::fs::write(&own, content).unwrap();
        let format = ("format = \"hh-rlhf\"", &format!("format = \"hh-rlhf\"\n{choice}")[..]);
        let config = changed(dir.path(), &[("\"pairs.jsonl\"", "\"own.jsonl\""), format]);
        let output = run(&mut label(&config, &dir.path().join(name)));
        (output.status.success(), text(&output.stderr), lines(&dir.path().join(name)))
    };
    let two: String = rows.split_inclusive('\n').take(2).collect();
    let (_, _, whole) = labels("whole", &rows, "limit = 2");
    for (name, behind) in [("torn", "no JSON\n".to_owned()), ("bomb", format!("\"{}\"\n", "a".repeat(17 << 20)))] {
        let content = format!("{two}{behind}");
        let (done, error, found) = labels(name, &content, "limit = 2");
        assert!(done && found == whole, "{name}: {error}");
        for choice in ["limit = 3", "limit = 2\nsample = 2"] {
            let (done, error, found) = labels("refused", &content, choice);
            assert!(!done && found.is_empty() && error.contains("own.jsonl: line 3"), "{name}, {choice}: {error}");
        }
    }
}

#[test]
fn an_adapter_of_the_guard_changes_the_rewards_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, adapted) = (dir.path().join("plain"), dir.path().join("adapted"));
    succeed(&mut label(&changed(dir.path(), &[]), &plain));
    let base = "base = \"../../fixtures/tiny-b/guard\"";
    let with = format!("{base}\nadapter = \"../../fixtures/tiny-b/mrm\"");
    let config = changed(dir.path(), &[(base, &with)]);
    succeed(&mut label(&config, &adapted));
    let (one, other) = (records(&plain), records(&adapted));
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!((&one.id, &one.reply), (&other.id, &other.reply));
        assert_ne!(one.rewards, other.rewards, "{}", one.id);
    }
    let error = text(&run(&mut label(&config, &plain)).stderr);
    assert!(error.contains("origin.guard.adapter: "), "{error}");
}

#[test]
fn bad_configurations_end_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("run");
    succeed(&mut label(&changed(dir.path(), &[]), &first));
    let cases = [
        (("max_tokens = 128", "max_tokens = 64"), "max_tokens: 64 here, 128 in the run"),
        (("safe = \"yes\", unsafe = \"no\"", "safe = \"yes\", unsafe = \"yea\""), "begin with the same token"),
        (("batch = 16", "batches = 16"), "unknown field `batches`"),
        (("format = \"hh-rlhf\"", "format = \"hh\""), "unknown variant `hh`"),
        (("group = 2", "group = 0"), "nonzero"),
        (("max_tokens = 128", "max_tokens = 1"), "max_tokens must be at least 2"),
        (("pairs.jsonl", "nothing.jsonl"), "nothing.jsonl"),
        (("\"pairs.jsonl\"\nformat = \"hh-rlhf\"", "\"prompts.jsonl\"\nformat = \"prompts\""), "has a reply"),
    ];
    for (change, says) in cases {
        let output = run(&mut label(&changed(dir.path(), &[change]), &first));
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{change:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

#[test]
fn an_attack_or_a_filter_that_cannot_be_is_refused_when_the_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::read_to_string(sampled(dir.path())).unwrap();
    let path = dir.path().join("wrong.toml");
    for (from, to, says) in [
        ("{request}", "{target}", "corpus.sampled.attack: `{target}` stands for nothing"),
        ("temperature = 0.9", "temperature = 0.0", "corpus.sampled.filter: temperature must be finite and above 0"),
        ("max_new_tokens = 12", "max_new_tokens = 0", "max_new_tokens must be at least 1"),
    ] {
        std::fs::write(&path, file.replace(from, to)).unwrap();
        let error = format!("{:#}", saffron_examples::label::read(&path).unwrap_err());
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn shards_of_two_folders_are_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = std::fs::read(folder().join("pairs.jsonl")).unwrap();
    let config = |name: &str| {
        let here = dir.path().join(name);
        std::fs::create_dir(&here).unwrap();
        std::fs::write(here.join("own.jsonl"), &pairs).unwrap();
        changed(&here, &[("\"pairs.jsonl\"", "\"own.jsonl\"")])
    };
    let (a, b) = (config("a"), config("b"));
    let at = |name: &str| dir.path().join(name);
    succeed(&mut label(&a, &at("whole")));
    for (config, shard) in [(&a, "0/2"), (&b, "1/2")] {
        succeed(label(config, &at(&shard.replace('/', "-"))).args(["--shard", shard]));
    }
    succeed(example("label").arg("--merge").args([at("0-2"), at("1-2")]).arg("--out").arg(at("merged")));
    assert!(lines(&at("merged")) == lines(&at("whole")));
    std::fs::write(at("b").join("own.jsonl"), [&pairs[..], b"\n"].concat()).unwrap();
    let error = text(&run(label(&b, &at("1-2")).args(["--shard", "1/2"])).stderr);
    assert!(error.contains("fingerprints.origin.corpus.data.path"), "{error}");
}
