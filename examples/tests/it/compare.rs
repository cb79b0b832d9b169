//! The comparison program: whole runs over tiny checkpoints, killed, resumed, sharded, refused.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use saffron_search::eval::comparison::{LoggedRun, configuration};
use saffron_search::eval::files::Journal;
use saffron_search::eval::runs::{Ending, read};
use serde_json::Value;

use crate::programs::{example, headless, run, text};

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/compare_tiny.toml")
}

pub(crate) fn compare(config: &Path, out: &Path) -> Command {
    let mut command = example("compare");
    command.arg("--config").arg(config).arg("--out").arg(out);
    command
}

pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = run(command);
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

/// The records without their times, in the order of the file.
pub(crate) fn records(dir: &Path) -> Vec<Value> {
    let file = std::fs::read_to_string(dir.join("records.jsonl")).unwrap();
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["timings"] = Value::Null;
        record
    };
    file.lines().map(record).collect()
}

pub(crate) fn summary(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("summary.json")).unwrap()).unwrap()
}

/// The tiny comparison with some lines changed.
fn changed(dir: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let folder = config().parent().unwrap().display().to_string();
    let mut file = std::fs::read_to_string(config()).unwrap().replace("\"../../", &format!("\"{folder}/../../"));
    file = file.replace("\"prompts.jsonl\"", &format!("\"{folder}/prompts.jsonl\""));
    for (from, to) in changes {
        assert!(file.contains(from), "{from}");
        file = file.replace(from, to);
    }
    let path = dir.join("changed.toml");
    std::fs::write(&path, file).unwrap();
    path
}

#[test]
fn the_tiny_comparison_writes_everything_it_promises() {
    let out = tempfile::tempdir().unwrap();
    let output = succeed(&mut compare(&config(), out.path()));
    let table = text(&output.stdout);
    for part in ["best-of-n", "saffron", "unsafe by guard", "profiler-style", "attacked", "benign"] {
        assert!(table.contains(part), "{part} in {table}");
    }
    let records = records(out.path());
    // 13 strategies and budgets over 8 attacked and 5 benign prompts.
    assert_eq!(records.len(), 13 * 13);
    let summary = summary(out.path());
    assert_eq!(summary["rows"].as_array().unwrap().len(), 2 * 13);
    assert!(summary.get("published").is_none(), "nobody has published anything of it");
    let of = |strategy: &str, budget: u64| {
        let rows = summary["rows"].as_array().unwrap().iter();
        rows.filter(|row| row["strategy"] == strategy && row["budget"] == budget && row["set"] == "attacked")
            .map(|row| row["compute"].clone())
            .next()
            .unwrap()
    };
    let tflop = |compute: &Value| compute["attributed_tflop"]["mean"].as_f64().unwrap();
    assert!(tflop(&of("saffron", 4)) > tflop(&of("saffron", 1)));
    // A multifurcation reward model beside policy and guard: three models for a profiler, two without it.
    for (compute, models) in [(of("saffron", 4), 3.0), (of("best-of-n", 4), 2.0)] {
        let profiler = compute["profiler_tflop"].as_f64().unwrap();
        assert!((profiler / tflop(&compute) - models).abs() < 1e-9);
    }
    assert_eq!(of("greedy", 1)["reward"]["calls"]["mean"], 0.0);
    assert!(summary["fits"].as_array().unwrap().iter().any(|fit| fit["strategy"] == "saffron"));
    check_pairs(&summary);
    assert!(records.iter().all(|record| record["ending"]["answered"]["empty"].is_boolean()));
    for picture in ["asr_tflop_attacked_guard.svg", "asr_tokens_attacked_guard.svg", "asr_time_attacked_phrases.svg"] {
        let svg = std::fs::read_to_string(out.path().join(picture)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("saffron"), "{picture}");
    }
}

/// Twelve strategies and budgets against the first: by two judges on attacked prompts, and on
/// benign ones whether they were answered.
fn check_pairs(summary: &Value) {
    let pairs = summary["paired"].as_array().unwrap();
    let of = |set: &str| pairs.iter().filter(|pair| pair["set"] == set).collect::<Vec<_>>();
    let (attacked, benign) = (of("attacked"), of("benign"));
    assert_eq!((pairs.len(), attacked.len(), benign.len()), (3 * 12, 2 * 12, 12));
    assert!(attacked.iter().all(|pair| pair["prompts"] == 8 && pair["counted"]["not-defended"]["judge"].is_string()));
    assert!(benign.iter().all(|pair| pair["prompts"] == 5 && pair["counted"] == "not-answered"));
}

#[test]
fn a_run_is_logged_once_and_reported_on_again_from_its_records_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let log = at("log.jsonl");
    let config = changed(dir.path(), &[("group = 4\n", &format!("group = 4\nlog = {log:?}\n"))]);
    for _ in 0..2 {
        succeed(&mut compare(&config, &at("run")));
    }
    let logged: Vec<LoggedRun> = Journal::read(&log).unwrap();
    let [run] = &logged[..] else { panic!("one run, not {}", logged.len()) };
    let (manifest, kept) = read(&at("run")).unwrap();
    assert_eq!(run.configuration, configuration(&manifest).unwrap());
    assert_eq!((run.outcomes.len(), run.outcomes[0].not_safe.len()), (2 * 13, 2));
    assert_eq!(run.outcomes.iter().map(|outcome| outcome.prompts).sum::<u64>(), kept.len() as u64);
    let mut other = manifest;
    other.fingerprints.insert("data".into(), "crc32 00000000".into());
    assert_ne!(run.configuration, configuration(&other).unwrap());

    // Zipped and moved, without what was said.
    std::fs::create_dir(at("away")).unwrap();
    std::fs::copy(at("run").join("manifest.json"), at("away").join("manifest.json")).unwrap();
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    for mut record in kept {
        let Ending::Answered(answer) = &mut record.ending else { panic!("an answer") };
        (answer.tokens, answer.text) = (Vec::new(), None);
        writeln!(zipped, "{}", serde_json::to_string(&record).unwrap()).unwrap();
    }
    let zipped = zipped.finish().unwrap();
    std::fs::write(at("away").join("records.jsonl.gz"), zipped).unwrap();
    let file = at("away").join("records.jsonl.gz");
    let report = |out: &str, from: &[&std::ffi::OsStr]| {
        let mut command = example("compare");
        let output = succeed(command.args(from).arg("--out").arg(at(out)));
        assert!(text(&output.stdout).contains("best-of-n"));
        summary(&at(out))
    };
    let whole = summary(&at("run"));
    assert_eq!(report("again", &["--report".as_ref(), at("away").as_os_str()]), whole);
    let from = ["--config".as_ref(), config.as_os_str(), "--report".as_ref(), file.as_os_str()];
    assert_eq!(report("once more", &from), whole);
    assert_eq!(Journal::<LoggedRun>::read(&log).unwrap().len(), 1, "a report is no run");
}

#[test]
fn only_the_groups_that_are_named_are_asked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("topics.json");
    std::fs::write(&file, r#"{"Arts":{"Film":["one question","two questions"]},"Sports":{"Chess":["three"]}}"#)
        .unwrap();
    let data = |groups: &str| {
        let from = "[[data]]\nname = \"attacked\"\n";
        let to = format!(
            "[[data]]\nname = \"topics\"\npath = {file:?}\nformat = \"harmful-qa\"\ngroups = [{groups}]\n\n{from}"
        );
        changed(dir.path(), &[(from, &to)])
    };
    let config = saffron_examples::compare::read(&data("\"Arts\"")).unwrap();
    assert_eq!(config.data[0].groups.as_deref(), Some(&["Arts".to_owned()][..]));
    succeed(&mut compare(&data("\"Arts\""), &dir.path().join("run")));
    let asked = records(&dir.path().join("run"));
    let of = |set: &str| asked.iter().filter(|record| record["set"] == set).count();
    assert_eq!((of("topics"), of("attacked")), (2 * 13, 8 * 13));
    let output = run(&mut compare(&data("\"Cooking\""), &dir.path().join("none")));
    assert!(!output.status.success() && text(&output.stderr).contains("no prompt is of the groups"));
}

#[test]
fn a_later_run_asks_what_an_earlier_one_did_not() {
    let dir = tempfile::tempdir().unwrap();
    let asked = |name: &str, which: &str| {
        let config = changed(dir.path(), &[("take = 5", which), ("attack = {", "take = 1\nattack = {")]);
        succeed(&mut compare(&config, &dir.path().join(name)));
        let records = records(&dir.path().join(name));
        let benign = records.iter().filter(|record| record["set"] == "benign" && record["key"]["strategy"] == "greedy");
        benign.map(|record| record["key"]["prompt"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (first, both) = (asked("first", "sample = 2"), asked("both", "sample = 5"));
    assert_eq!(asked("later", "sample = 5\nskip = 2"), both[2..]);
    assert_eq!(first, both[..2]);
    let none = changed(dir.path(), &[("take = 5", "skip = 99")]);
    let output = run(&mut compare(&none, &dir.path().join("none")));
    assert!(!output.status.success() && text(&output.stderr).contains("no prompt is left after the first 99"));
}

#[test]
fn models_may_be_of_fewer_bits() {
    let dir = tempfile::tempdir().unwrap();
    let few = [("take = 5", "take = 1"), ("attack = {", "take = 1\nattack = {")];
    let rewards = |name: &str, changes: &[(&str, &str)]| {
        succeed(&mut compare(&changed(dir.path(), changes), &dir.path().join(name)));
        let scores = |record: &Value| record["ending"]["answered"]["judgements"][0]["score"].as_f64().unwrap();
        let greedy = records(&dir.path().join(name)).into_iter().filter(|record| record["key"]["strategy"] == "greedy");
        greedy.map(|record| scores(&record)).collect::<Vec<f64>>()
    };
    let whole = rewards("whole", &few);
    let rounded =
        rewards("rounded", &[few[0], few[1], ("max_new_tokens = 12", "dtype = \"bf16\"\nmax_new_tokens = 12")]);
    assert_eq!((whole.len(), rounded.len()), (2, 2));
    // What is computed in bf16 has nothing in the lower half of a float32.
    let is_short = |score: &f64| (*score as f32).to_bits() & 0xffff == 0;
    assert!(rounded.iter().all(is_short) && !whole.iter().any(is_short), "{whole:?} and {rounded:?}");
    let wrong = changed(dir.path(), &[("max_new_tokens = 12", "dtype = \"f8\"\nmax_new_tokens = 12")]);
    let output = run(&mut compare(&wrong, &dir.path().join("wrong")));
    assert!(!output.status.success() && text(&output.stderr).contains("unknown variant `f8`"));
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_like_one_that_was_not() {
    let (whole, pieces) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    succeed(&mut compare(&config(), whole.path()));
    let file = pieces.path().join("records.jsonl");
    let lines = || std::fs::read_to_string(&file).map_or(0, |file| file.lines().count());
    let mut kills = 0;
    for goal in [3, 40, 41, 100, 150] {
        let mut child = compare(&config(), pieces.path()).spawn().unwrap();
        let begun = Instant::now();
        while lines() < goal && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(120), "stuck at {} records", lines());
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
    }
    assert!(kills >= 3, "the run was over before it could be killed");
    succeed(&mut compare(&config(), pieces.path()));
    let (pieces, whole) = (records(pieces.path()), records(whole.path()));
    assert_eq!(pieces.len(), whole.len());
    for (one, other) in pieces.iter().zip(&whole) {
        assert_eq!(one, other);
    }
}

#[test]
fn shards_are_merged_into_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    succeed(&mut compare(&config(), &at("whole")));
    for shard in ["0/2", "1/2"] {
        succeed(compare(&config(), &at(&shard.replace('/', "-"))).args(["--shard", shard]));
    }
    let mut merge = example("compare");
    merge.arg("--merge").args([at("0-2"), at("1-2")]).arg("--out").arg(at("merged"));
    let output = succeed(&mut merge);
    assert!(text(&output.stdout).contains("saffron"));
    assert_eq!(records(&at("merged")), records(&at("whole")), "in the same order, too");
    let mut half = example("compare");
    half.arg("--merge").arg(at("0-2")).arg("--out").arg(at("half"));
    let output = run(&mut half);
    assert!(!output.status.success() && text(&output.stderr).contains("missing"), "{}", text(&output.stderr));
}

#[test]
fn a_run_is_not_taken_up_under_other_settings_or_with_other_data() {
    let out = tempfile::tempdir().unwrap();
    let run_dir = out.path().join("run");
    let few = [("take = 5", "take = 1"), ("benign = true", "benign = true\nsample = 2")];
    let small = changed(out.path(), &few);
    succeed(&mut compare(&small, &run_dir));
    let other = changed(out.path(), &[few[0], few[1], ("max_new_tokens = 12", "max_new_tokens = 13")]);
    let output = run(&mut compare(&other, &run_dir));
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("max_new_tokens: 13 here, 12 in the run"), "{error}");
}

#[test]
fn a_full_disk_is_said_and_what_was_written_is_taken_up_again() {
    let (whole, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    succeed(&mut compare(&config(), whole.path()));
    // Files may not grow beyond 30 KiB; the signal that says so is ignored, so that the write fails as on a full disk.
    let mut limited = Command::new("bash");
    let script = "trap '' XFSZ; ulimit -f 30; exec \"$0\" \"$@\"";
    let program = compare(&config(), full.path());
    limited.args(["-c", script]).arg(program.get_program()).args(program.get_args());
    let output = run(&mut limited);
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("records.jsonl") && !error.contains("panicked"), "{error}");
    let written = records(full.path()).len();
    assert!(written > 3, "{written} records");
    succeed(&mut compare(&config(), full.path()));
    let (full, whole) = (records(full.path()), records(whole.path()));
    assert_eq!(full.len(), whole.len());
    full.iter().zip(&whole).for_each(|(one, other)| assert_eq!(one, other));
}

#[test]
fn prompts_are_asked_under_every_template_of_a_file() {
    let out = tempfile::tempdir().unwrap();
    let templates = out.path().join("templates.csv");
    std::fs::write(&templates, "id,text\na,Act as a friend. {prompt}\nb,[INSERT PROMPT HERE] Answer like a pirate.\n")
        .unwrap();
    let with = format!("take = 5\ntemplates = \"{}\"", templates.display());
    let config = changed(out.path(), &[("take = 5", &with), ("benign = true\n", "")]);
    succeed(&mut compare(&config, &out.path().join("run")));
    let under = records(&out.path().join("run"));
    let under = under.iter().filter(|record| record["set"] == "benign" && record["key"]["strategy"] == "greedy");
    let ids: Vec<&str> = under.clone().map(|record| record["key"]["prompt"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 10);
    assert_eq!(ids[..2], ["benign/bread/0", "benign/bread/1"]);
    for record in under {
        assert_eq!(record["kind"]["attacked"]["attack"], "templates of templates.csv, none");
    }
}

#[test]
fn bad_configurations_end_with_a_sentence() {
    let out = tempfile::tempdir().unwrap();
    let cases = [
        (("kind = \"saffron\"", "kind = \"safron\""), "unknown variant `safron`"),
        (("reward = \"mrm\"", "reward = \"mrn\""), "wants the reward model mrn"),
        (("name = \"dvts\"", "name = \"rebase\""), "two strategies are called rebase"),
        (("group = 4", "groups = 4"), "unknown field `groups`"),
        (("strategy = { kind = \"args\" }", "strategy = { kind = \"args\" }\nbudgets = [2]"), "args has no budget"),
        (("budgets = [1, 4]", "budgets = []"), "has no budgets"),
        (("prompts.jsonl", "nothing.jsonl"), "nothing.jsonl"),
        (("format = \"prompts\"", "format = { columns = { prompt = \"question\" } }"), "question"),
        (("safe = \"yes\", unsafe = \"no\"", "safe = \"yes\", unsafe = \"yea\""), "begin with the same token"),
        (("unsafe_below = 0.0", "unsafe_below = 1.0"), "unsafe_below must not lie above safe_from"),
    ];
    for (change, says) in cases {
        let config = changed(out.path(), &[change]);
        let output = run(&mut compare(&config, &out.path().join("run")));
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{change:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

#[test]
fn a_reward_model_without_its_head_must_be_asked_for_in_a_configuration() {
    let (out, adapter) = (tempfile::tempdir().unwrap(), headless(&["unseen_mask.pt"]));
    let there = config().parent().unwrap().join("../../fixtures/tiny-b/mrm");
    let from = format!("adapter = \"{}\"", there.display());
    let to = format!("adapter = \"{}\"", adapter.path().display());
    let refused = run(&mut compare(&changed(out.path(), &[(&from, &to)]), &out.path().join("run")));
    let error = text(&refused.stderr);
    assert!(!refused.status.success() && error.contains("the reward model mrm"), "{error}");
    assert!(error.contains("unseen_mask.pt not there"), "{error}");
    let to = format!("{to}, neutral_head = true");
    succeed(&mut compare(&changed(out.path(), &[(&from, &to)]), &out.path().join("run")));
}
