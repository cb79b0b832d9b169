//! Directories of labels: what is in them, what is refused, shards.

use std::fs;
use std::path::PathBuf;

use saffron_core::{PlainVocabulary, with_causes};
use saffron_search::eval::files::FileError;
use saffron_search::eval::runs::{Manifest, RunError, Shard};
use saffron_train::labels::{LabelError, LabelRun, LabelSettings, LabelSummary, TokenRewards, merge, read};
use serde_json::{Value, json};

use super::{VOCABULARY, fast_dir, fixed, label, lines, manifest, settings};

fn shard(text: &str) -> Shard {
    text.parse().unwrap()
}

#[test]
fn labels_read_back_as_they_were_computed_and_are_counted() {
    let dir = fast_dir();
    let summary = label(dir.path(), 11, Shard::WHOLE);
    let (manifest_read, records) = read(dir.path()).unwrap();
    assert_eq!(manifest_read, manifest(11, Shard::WHOLE));
    // Replies 0 and 7 are empty; the prompts of 4 and 9 are too long. 5 and 6 fit, or not, by their prompts of 3 and 1 tokens.
    assert_eq!(records.iter().map(|record| record.index).collect::<Vec<_>>(), [1, 2, 3, 5, 6, 8, 10]);
    let rewards: Vec<f32> = records.iter().flat_map(|record| record.rewards.clone()).collect();
    let found = summary.rewards.unwrap();
    assert_eq!((summary.items, summary.labelled, summary.tokens), (11, 7, rewards.len()));
    assert_eq!((summary.skipped_empty, summary.skipped_no_room), (2, 2));
    let cut: usize = records.iter().map(|record| record.cut).sum();
    assert_eq!((summary.cut_replies, summary.cut_tokens), (1, cut + 4 + 2));
    assert_eq!(found.min, rewards.iter().copied().reduce(f32::min).unwrap());
    assert_eq!(found.max, rewards.iter().copied().reduce(f32::max).unwrap());
    let mean = rewards.iter().map(|reward| f64::from(*reward)).sum::<f64>() / rewards.len() as f64;
    assert!((found.mean - mean).abs() < 1e-12);
    let below = rewards.iter().filter(|reward| **reward < 0.0).count();
    assert_eq!(found.below_zero, below as f64 / rewards.len() as f64);
    let written: LabelSummary = serde_json::from_slice(&fs::read(dir.path().join("summary.json")).unwrap()).unwrap();
    assert_eq!(written, summary);
}

#[test]
fn a_line_holds_what_the_format_says_and_no_more() {
    let dir = fast_dir();
    label(dir.path(), 5, Shard::WHOLE);
    let text = String::from_utf8(lines(dir.path())).unwrap();
    let line: Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    let expected = json!({
        "index": 2, "id": "reply 2", "set": "invented", "group": "topic 0", "label": "refused",
        "prompt": [7, 7, 7], "reply": [26, 31], "rewards": line["rewards"], "cut": 0,
    });
    assert_eq!(line, expected);
    let skipped: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let expected = json!({
        "index": 0, "id": "reply 0", "set": "invented", "group": "topic 0", "prompt": [7], "prompt_text": "question 0", "reply": [],
        "rewards": [], "cut": 0,
    });
    assert_eq!(skipped, expected);
    let manifest: Value = serde_json::from_slice(&fs::read(dir.path().join("manifest.json")).unwrap()).unwrap();
    let expected = json!({
        "format_version": 1, "shard": "0/1", "fingerprints": { "data": "crc32 00c0ffee" },
        "settings": {
            "labels_version": 1, "items": 5, "vocab_size": 50, "max_tokens": 7, "group": 3, "batch": 4,
            "origin": { "reward": "invented", "seed": 3 },
        },
    });
    assert_eq!(manifest, expected);
}

#[test]
fn shards_are_merged_into_the_file_of_the_whole() {
    for of in 1..=5 {
        let (dir, whole) = (fast_dir(), fast_dir());
        let shards: Vec<PathBuf> = (0..of).map(|index| dir.path().join(index.to_string())).collect();
        let summaries: Vec<LabelSummary> =
            shards.iter().enumerate().map(|(index, path)| label(path, 11, Shard::new(index, of).unwrap())).collect();
        let expected = label(whole.path(), 11, Shard::WHOLE);
        assert_eq!(summaries.iter().map(|summary| summary.tokens).sum::<usize>(), expected.tokens);
        let out = dir.path().join("merged");
        let turned: Vec<PathBuf> = shards.iter().rev().cloned().collect();
        assert_eq!(merge(&turned, &out).unwrap(), expected);
        assert_eq!(lines(&out), lines(whole.path()), "{of} shards");
        assert_eq!(read(&out).unwrap().0, manifest(11, Shard::WHOLE));
        std::fs::remove_file(out.join("summary.json")).unwrap();
        assert_eq!(merge(&turned, &out).unwrap(), expected, "as after a kill before the summary");
        assert!(LabelRun::existing(&out).unwrap().pending().is_empty());
    }
}

#[test]
fn shards_that_make_no_whole_are_not_merged() {
    let dir = fast_dir();
    let at = |name: &str| dir.path().join(name);
    for (name, part) in [("a", "0/3"), ("b", "1/3"), ("again", "0/3"), ("half", "0/2")] {
        label(&at(name), 11, shard(part));
    }
    let merged = |names: &[&str]| {
        let error = merge(&names.iter().map(|name| at(name)).collect::<Vec<_>>(), &at("out")).unwrap_err();
        assert!(!at("out").exists(), "nothing is written");
        error
    };
    assert!(matches!(merged(&[]), LabelError::Run(RunError::NothingToMerge)));
    assert!(matches!(merged(&["a", "again"]), LabelError::Run(RunError::MixedShards { .. })));
    assert!(matches!(merged(&["a", "half"]), LabelError::Run(RunError::MixedShards { .. })));
    assert_eq!(merged(&["b", "a"]).to_string(), "shards are missing: 2/3");
    drop(LabelRun::open(at("c"), manifest(11, shard("2/3"))).unwrap());
    let error = merged(&["b", "a", "c"]);
    assert!(matches!(&error, LabelError::Incomplete { path, done: 0, missing: 3 } if *path == at("c")), "{error}");
    let other = settings(12).manifest(shard("2/3")).unwrap();
    drop(LabelRun::open(at("d"), other).unwrap());
    assert!(matches!(merged(&["b", "a", "d"]), LabelError::Run(RunError::OtherSettings { .. })));
}

#[test]
fn every_shard_has_the_groups_and_replies_that_it_says() {
    for (items, of) in [(11, 1), (11, 2), (11, 4), (11, 9), (12, 3), (1, 2), (3, 1)] {
        let dir = fast_dir();
        let mut all = 0;
        for index in 0..of {
            let run =
                LabelRun::open(dir.path().join(index.to_string()), manifest(items, Shard::new(index, of).unwrap()));
            let run = run.unwrap();
            let pending = run.pending();
            assert_eq!(pending.iter().map(|(_, places)| places.len()).sum::<usize>(), run.items());
            assert!(pending.iter().all(|(group, places)| group % of == index && places.start == 3 * group));
            all += run.items();
        }
        assert_eq!(all, items);
    }
}

#[test]
fn a_run_is_not_taken_up_with_other_settings_data_or_shard() {
    let dir = fast_dir();
    label(dir.path(), 5, Shard::WHOLE);
    let before = lines(dir.path());
    let refused = |manifest: Manifest, says: &str| {
        let error = LabelRun::open(dir.path(), manifest).unwrap_err().to_string();
        assert!(error.ends_with(says), "{error}");
    };
    let with = |settings: LabelSettings| settings.manifest(Shard::WHOLE).unwrap().fingerprint("data", "crc32 00c0ffee");
    let standard = settings(5);
    refused(with(LabelSettings { max_tokens: 8, ..standard.clone() }), "max_tokens: 8 here, 7 in the run");
    refused(with(LabelSettings { batch: super::size(5), ..standard.clone() }), "batch: 5 here, 4 in the run");
    refused(with(LabelSettings { group: super::size(2), ..standard.clone() }), "group: 2 here, 3 in the run");
    refused(with(LabelSettings { items: 6, ..standard.clone() }), "items: 6 here, 5 in the run");
    let origin = json!({ "reward": "invented", "seed": 4 });
    refused(with(LabelSettings { origin, ..standard.clone() }), "origin.seed: 4 here, 3 in the run");
    refused(manifest(5, shard("0/2")), "shard: \"0/2\" here, \"0/1\" in the run");
    let data = standard.manifest(Shard::WHOLE).unwrap().fingerprint("data", "crc32 0badf00d");
    refused(data, "fingerprints.data: \"crc32 0badf00d\" here, \"crc32 00c0ffee\" in the run");
    assert_eq!(lines(dir.path()), before);
}

#[test]
fn settings_that_label_nothing_are_refused() {
    assert!(matches!(settings(0).manifest(Shard::WHOLE), Err(LabelError::EmptyCorpus)));
    let narrow = LabelSettings { max_tokens: 1, ..settings(3) };
    assert!(matches!(narrow.manifest(Shard::WHOLE), Err(LabelError::Limit { found: 1 })));
}

#[test]
fn directories_of_something_else_are_refused() {
    let dir = fast_dir();
    let open = |manifest: Manifest| LabelRun::open(dir.path().join("run"), manifest).unwrap_err();
    let error = open(Manifest::new(json!({ "width": 4 }), Shard::WHOLE));
    assert!(matches!(&error, LabelError::Settings { .. }), "{error}");
    let mut newer = manifest(5, Shard::WHOLE);
    newer.settings["labels_version"] = json!(2);
    assert!(matches!(open(newer), LabelError::Version { expected: 1, found: 2, .. }));
    assert!(!dir.path().join("run").exists());
    assert!(matches!(read(dir.path()), Err(LabelError::Run(RunError::NoManifest { .. }))));
    assert!(matches!(LabelRun::existing(dir.path()), Err(LabelError::Run(RunError::NoManifest { .. }))));
    fs::write(dir.path().join("labels.jsonl"), "{}").unwrap();
    let error = LabelRun::open(dir.path(), manifest(5, Shard::WHOLE)).unwrap_err();
    assert!(matches!(&error, LabelError::Run(RunError::NoManifest { .. })), "{error}");
}

#[test]
fn a_run_is_held_by_one_at_a_time() {
    let dir = fast_dir();
    let run = LabelRun::open(dir.path(), manifest(5, Shard::WHOLE)).unwrap();
    let error = LabelRun::open(dir.path(), manifest(5, Shard::WHOLE)).unwrap_err();
    assert!(matches!(&error, LabelError::File(FileError::Held { .. })), "{error}");
    assert!(read(dir.path()).unwrap().1.is_empty(), "reading takes nothing");
    drop(run);
    LabelRun::open(dir.path(), manifest(5, Shard::WHOLE)).unwrap();
}

#[cfg(unix)]
#[test]
fn removing_the_lock_lets_no_second_process_write() {
    let dir = fast_dir();
    let _held = LabelRun::open(dir.path(), manifest(5, Shard::WHOLE)).unwrap();
    fs::remove_file(dir.path().join("lock")).unwrap();
    for opened in [LabelRun::open(dir.path(), manifest(5, Shard::WHOLE)), LabelRun::existing(dir.path())] {
        let error = opened.unwrap_err();
        assert!(error.to_string().contains("labels.jsonl is held by another process"), "{error}");
    }
}

/// The labels of a run with one record changed.
fn tampered(change: impl Fn(&mut TokenRewards)) -> LabelError {
    let dir = fast_dir();
    label(dir.path(), 11, Shard::WHOLE);
    let text = String::from_utf8(lines(dir.path())).unwrap();
    let mut records: Vec<TokenRewards> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    change(&mut records[5]);
    let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    fs::write(dir.path().join("labels.jsonl"), lines.concat()).unwrap();
    let opened = LabelRun::existing(dir.path()).unwrap_err();
    assert_eq!(read(dir.path()).unwrap_err().to_string(), opened.to_string());
    opened
}

#[test]
fn records_are_not_trusted() {
    assert!(matches!(tampered(|record| record.index = 4), LabelError::Order { line: 6, found: 4, .. }));
    let error = tampered(|record| record.rewards.truncate(3));
    assert!(matches!(&error, LabelError::Lengths { id, reply: 4, rewards: 3 } if id == "reply 5"), "{error}");
    let error = tampered(|record| record.reply[1] = VOCABULARY as u32);
    assert!(matches!(&error, LabelError::Token { id, token: 50, size: 50 } if id == "reply 5"), "{error}");
    assert!(matches!(tampered(|record| record.prompt.clear()), LabelError::EmptyPrompt { .. }));
    // JSON has no word for it: what stands there instead is no number.
    let error = tampered(|record| record.rewards[2] = f32::NAN);
    assert!(matches!(&error, LabelError::File(FileError::Line { line: 6, .. })), "{error}");
    let record =
        TokenRewards { prompt: vec![1], reply: vec![1, 2], rewards: vec![0.5, f32::NAN], ..Default::default() };
    assert!(matches!(record.check(3), Err(LabelError::NotFinite { position: 1, .. })));
}

#[test]
fn records_after_the_last_are_refused() {
    let dir = fast_dir();
    label(dir.path(), 11, Shard::WHOLE);
    let bytes = lines(dir.path());
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(dir.path().join("labels.jsonl"), [&bytes[..], &bytes[..second], &bytes[..second]].concat()).unwrap();
    let error = LabelRun::existing(dir.path()).unwrap_err().to_string();
    assert!(error.ends_with("is of place 0, expected no record"), "{error}");
}

#[test]
fn a_source_that_breaks_its_word_is_refused_and_what_was_written_stays() {
    let dir = fast_dir();
    let open = || LabelRun::open(dir.path(), manifest(11, Shard::WHOLE)).unwrap();
    let mut other = fixed(11);
    other.vocabulary = PlainVocabulary::shared(VOCABULARY + 1);
    let error = open().run(&mut other, &mut |_| {}).unwrap_err();
    assert!(matches!(error, LabelError::Vocabulary { expected: 50, found: 51 }));
    let mut short = fixed(11);
    short.replies.truncate(4);
    let error = open().run(&mut short, &mut |_| {}).unwrap_err();
    assert_eq!(with_causes(&error), "replies 3 to 5 cannot be had: the corpus ends before");
    let run = open();
    assert_eq!(run.done(), 3);
    let error = run.finish().unwrap_err();
    assert!(matches!(&error, LabelError::Incomplete { done: 3, missing: 8, .. }), "{error}");
    drop(run);
    let mut odd = fixed(11);
    odd.replies[4].reply = vec![77; 3];
    odd.replies[4].prompt = vec![1];
    let error = open().run(&mut odd, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, LabelError::Token { id, token: 77, .. } if id == "reply 4"), "{error}");
    assert_eq!(label(dir.path(), 11, Shard::WHOLE).items, 11);
}
