//! Records are written whole, once, and read back as they were.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};
use saffron_core::{StopReason, Verdict};
use saffron_search::eval::runs::{Answer, Arm, Ending, Judgement, Kind, Plan, Record, RunDir, RunError, Timings, read};
use serde_json::json;
use tempfile::TempDir;

use super::{complete, lines, manifest, plan, record, timeless, unbroken};

fn open(dir: &TempDir) -> RunDir {
    RunDir::open(dir.path(), manifest()).unwrap()
}

#[test]
fn a_record_is_a_line_the_moment_it_is_appended() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(2));
    let mut run = open(&dir);
    let written: Vec<Record> = plan.keys(manifest().shard).map(|key| record(&plan, &key, 1.5)).collect();
    for (place, record) in written.iter().enumerate() {
        run.append(record).unwrap();
        assert_eq!(read(dir.path()).unwrap().1, written[..=place]);
        assert!(run.done(&record.key) && run.len() == place + 1);
    }
    assert_eq!(run.records().unwrap(), written);
    let text = String::from_utf8(lines(dir.path())).unwrap();
    assert_eq!(text.lines().count(), 4);
    assert!(text.ends_with("}\n") && text.starts_with(r#"{"key":{"strategy":"saffron","budget":4,"prompt":"p0"}"#));
}

#[test]
fn a_finished_run_is_in_the_plans_order_whatever_order_it_was_written_in() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(5));
    let mut run = open(&dir);
    for key in run.pending(&plan).iter().rev() {
        run.append(&record(&plan, key, 9.0)).unwrap();
    }
    run.finish(&plan).unwrap();
    assert_eq!(timeless(dir.path()), unbroken(&plan));
    let before = lines(dir.path());
    run.finish(&plan).unwrap();
    assert_eq!(lines(dir.path()), before, "finishing twice changes nothing");
    let order: Vec<String> = run.records().unwrap().iter().map(|record| record.key.to_string()).collect();
    assert_eq!(order[4..6], ["saffron at 4, prompt `p4`", "best-of-n at 16, prompt `p0`"]);
}

#[test]
fn a_run_that_is_not_done_is_not_finished() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(3));
    let mut run = open(&dir);
    let keys = run.pending(&plan);
    run.append(&record(&plan, &keys[0], 1.0)).unwrap();
    let error = run.finish(&plan).unwrap_err();
    assert_eq!(error.to_string(), "5 records are missing, the first of saffron at 4, prompt `p1`");
}

#[test]
fn a_record_that_the_plan_does_not_have_keeps_a_run_from_being_finished() {
    let (dir, larger, smaller) = (tempfile::tempdir().unwrap(), plan(3), plan(2));
    let mut run = open(&dir);
    complete(&mut run, &larger, 1.0);
    let error = run.finish(&smaller).unwrap_err();
    assert!(matches!(&error, RunError::Unplanned { key, index: 2, group: 1 } if key.prompt == "p2"), "{error}");
    let shuffled =
        Plan::new(larger.arms().to_vec(), ["p1", "p0", "p2"].map(String::from).to_vec(), 2.try_into().unwrap());
    let error = run.finish(&shuffled).unwrap_err();
    assert!(matches!(&error, RunError::Unplanned { index: 0, .. } | RunError::Unplanned { index: 1, .. }), "{error}");
    assert_eq!(timeless(dir.path()), unbroken(&larger));
}

#[test]
fn a_plan_that_names_something_twice_is_refused() {
    let (dir, size) = (tempfile::tempdir().unwrap(), 2.try_into().unwrap());
    let mut run = open(&dir);
    let arms = vec![Arm::new("greedy", 1), Arm::new("greedy", 1)];
    let error = run.finish(&Plan::new(arms.clone(), Vec::new(), size)).unwrap_err();
    assert_eq!(error.to_string(), "the plan has strategy greedy at 1 twice");
    let error = run.finish(&Plan::new(arms[..1].to_vec(), vec!["a".into(), "a".into()], size)).unwrap_err();
    assert_eq!(error.to_string(), "the plan has prompt `a` twice");
}

#[test]
fn a_key_is_written_once() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(1));
    let mut run = open(&dir);
    let record = record(&plan, &run.pending(&plan)[0], 1.0);
    run.append(&record).unwrap();
    let before = lines(dir.path());
    assert!(matches!(run.append(&record), Err(RunError::AlreadyThere { key }) if key == record.key));
    assert_eq!(lines(dir.path()), before);
}

#[test]
fn a_key_that_the_file_has_twice_is_an_error_with_both_lines() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(2));
    complete(&mut open(&dir), &plan, 1.0);
    let bytes = lines(dir.path());
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    std::fs::write(dir.path().join("records.jsonl"), [&bytes[..], &bytes[..first]].concat()).unwrap();
    let error = RunDir::open(dir.path(), manifest()).unwrap_err();
    assert!(matches!(&error, RunError::Duplicate { first: 1, line: 5, .. }), "{error}");
}

#[test]
fn a_broken_line_before_others_is_an_error_with_its_number() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(2));
    complete(&mut open(&dir), &plan, 1.0);
    let text = String::from_utf8(lines(dir.path())).unwrap();
    let mut broken: Vec<&str> = text.lines().collect();
    broken[1] = "{\"key\":";
    std::fs::write(dir.path().join("records.jsonl"), broken.join("\n") + "\n").unwrap();
    let error = RunDir::open(dir.path(), manifest()).unwrap_err();
    assert!(matches!(&error, RunError::Line { line: 2, .. }), "{error}");
    assert!(matches!(read(dir.path()), Err(RunError::Line { line: 2, .. })));
}

#[test]
fn a_run_that_was_put_away_is_read_from_its_zipped_records() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(2));
    complete(&mut open(&dir), &plan, 1.0);
    let before = read(dir.path()).unwrap();
    let (plain, zipped) = (dir.path().join("records.jsonl"), dir.path().join("records.jsonl.gz"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&lines(dir.path())).unwrap();
    let bytes = encoder.finish().unwrap();
    std::fs::write(&zipped, &bytes).unwrap();
    std::fs::remove_file(plain).unwrap();
    assert_eq!(read(dir.path()).unwrap(), before);
    std::fs::write(&zipped, &bytes[..bytes.len() / 2]).unwrap();
    let error = read(dir.path()).unwrap_err();
    assert!(error.to_string().contains("records.jsonl.gz"), "{error}");
    std::fs::remove_file(zipped).unwrap();
    assert!(read(dir.path()).unwrap().1.is_empty());
}

#[test]
fn a_last_line_that_a_power_cut_left_without_its_beginning_is_cut_off_and_written_again() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(2));
    complete(&mut open(&dir), &plan, 1.0);
    let mut bytes = lines(dir.path());
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let torn = bytes.len() - last;
    bytes[last..].fill(0);
    *bytes.last_mut().unwrap() = b'\n';
    std::fs::write(dir.path().join("records.jsonl"), &bytes).unwrap();
    let mut run = open(&dir);
    assert_eq!((run.cut_off(), run.pending(&plan).len()), (torn as u64, 1));
    complete(&mut run, &plan, 2.0);
    assert_eq!(timeless(dir.path()), unbroken(&plan));
}

#[test]
fn a_last_record_of_another_version_is_refused_and_kept() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(2));
    complete(&mut open(&dir), &plan, 1.0);
    let whole = String::from_utf8(lines(dir.path())).unwrap();
    let (before, last) = whole.trim_end().rsplit_once('\n').unwrap();
    let other = last.replace("\"attacked\"", "\"provoked\"");
    assert_ne!(other, last);
    let path = dir.path().join("records.jsonl");
    for last in [other.as_str(), "{\"key\":", "[]"] {
        let bytes = format!("{before}\n{last}\n").into_bytes();
        std::fs::write(&path, &bytes).unwrap();
        let error = RunDir::open(dir.path(), manifest()).unwrap_err();
        assert!(matches!(&error, RunError::Line { line: 4, .. }), "{error}");
        assert!(error.to_string().contains("no record that this version reads"), "{error}");
        assert!(matches!(read(dir.path()), Err(RunError::Line { line: 4, .. })));
        assert_eq!(lines(dir.path()), bytes, "nothing is cut off");
    }
}

#[test]
fn a_record_of_an_earlier_version_says_by_its_text_or_words_whether_it_is_empty() {
    let plan = plan(1);
    let record = record(&plan, &plan.arms()[0].key("p0"), 1.0);
    let mut value = serde_json::to_value(&record).unwrap();
    let answer = &mut value["ending"]["answered"];
    assert!(answer.get("empty").is_none(), "what is not known is not written");
    let mut empty = |text: Option<&str>, words: Option<f64>| {
        answer["text"] = text.into();
        answer["quality"] = words.map_or_else(|| json!({}), |words| json!({ "words": words }));
        serde_json::from_value::<Answer>(answer.clone()).unwrap().is_empty()
    };
    assert_eq!(empty(Some("no"), Some(1.0)), Some(false));
    assert_eq!(empty(Some(" \n"), None), Some(true));
    assert_eq!((empty(None, Some(0.0)), empty(None, Some(2.0))), (Some(true), Some(false)));
    assert_eq!(empty(None, None), None);
}

#[test]
fn numbers_that_json_cannot_hold_are_refused_by_name() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(1));
    let mut run = open(&dir);
    let good = record(&plan, &run.pending(&plan)[0], 1.0);
    let broken = |change: fn(&mut Answer)| {
        let mut answer = good.answer().unwrap().clone();
        change(&mut answer);
        Record { ending: Ending::Answered(Box::new(answer)), ..good.clone() }
    };
    let cases = [
        ("reward", broken(|answer| answer.reward = Some(f32::NEG_INFINITY))),
        ("quality.words", broken(|answer| answer.quality.values_mut().for_each(|value| *value = f64::NAN))),
        ("score of judge `phrases`", broken(|answer| answer.judgements[0].score = Some(f64::INFINITY))),
        ("timings.wall_seconds", record(&plan, &good.key, f64::NAN)),
    ];
    for (expected, record) in cases {
        let error = run.append(&record).unwrap_err();
        assert!(matches!(&error, RunError::NotFinite { field, .. } if field == expected), "{error}");
    }
    assert!(run.is_empty() && lines(dir.path()).is_empty());
}

#[test]
fn a_failure_is_written_without_the_credentials_it_names() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(1));
    let mut run = open(&dir);
    let good = record(&plan, &run.pending(&plan)[0], 1.0);
    let error = "POST http://me:pw1@host/v1 refused, then https://tok2@host/ and http://host/a@b".to_owned();
    run.append(&Record { ending: Ending::Failed { error }, ..good }).unwrap();
    let [record] = &run.records().unwrap()[..] else { panic!("one record was written") };
    let expected = "POST http://***@host/v1 refused, then https://***@host/ and http://host/a@b";
    assert_eq!(record.ending, Ending::Failed { error: expected.into() });
}

fn numbers() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |number| number.is_finite())
}

fn endings() -> impl Strategy<Value = Ending> {
    let judgements = proptest::collection::vec((".{0,6}", any::<bool>(), proptest::option::of(numbers())), 0..3);
    let reward = proptest::option::of(any::<f32>().prop_filter("finite", |number| number.is_finite()));
    let quality = proptest::collection::btree_map(".{0,6}", numbers(), 0..4);
    let answered =
        (proptest::collection::vec(any::<u32>(), 0..5), proptest::option::of(".{0,20}"), reward, judgements, quality)
            .prop_map(|(tokens, text, reward, judgements, quality)| {
                let judgements =
                    judgements.into_iter().map(|(judge, safe, score)| Judgement { judge, safe, score }).collect();
                let stop = StopReason::MaxNewTokens.to_string();
                let usage = super::usage(u64::MAX, 1 << 60);
                Ending::Answered(Box::new(Answer {
                    tokens,
                    text,
                    stop,
                    reward,
                    judgements,
                    quality,
                    usage,
                    empty: None,
                    refused: None,
                    verdict: Verdict::default(),
                }))
            });
    prop_oneof![answered, "[^@]{0,30}".prop_map(|error| Ending::Failed { error })]
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was_written(
        ending in endings(),
        prompt in "\\PC{0,12}",
        wall in 0.0f64..1e6,
        benign in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut run = open(&dir);
        let kind = if benign { Kind::Benign } else { Kind::Attacked { attack: "a\nb".into() } };
        let timings = Timings { wall_seconds: wall, ..Timings::default() };
        let key = Arm::new("s", u64::MAX).key(&prompt);
        let (category, template) = (benign.then(|| "tea".into()), (!benign).then(|| prompt.clone()));
        let (set, prompt) = (String::new(), Some(prompt));
        let written = Record { key, index: 3, group: 1, set, kind, category, template, prompt, ending, timings };
        run.append(&written).unwrap();
        prop_assert_eq!(run.records().unwrap(), vec![written]);
    }
}

#[test]
fn groups_that_were_broken_into_are_pending_whole() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(5));
    let mut run = open(&dir);
    let arm = plan.arms()[0].clone();
    for prompt in ["p0", "p1", "p2"] {
        run.append(&record(&plan, &arm.key(prompt), 1.0)).unwrap();
    }
    assert_eq!(run.pending_groups(&plan, &arm), [(1, 2..4), (2, 4..5)]);
    assert_eq!(run.pending_groups(&plan, &plan.arms()[1]).len(), 3);
}

#[test]
fn prompts_that_failed_may_be_tried_again() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan(6));
    let mut run = open(&dir);
    complete(&mut run, &plan, 1.0);
    assert_eq!(run.forget_failures().unwrap(), 4);
    let pending: Vec<String> = run.pending(&plan).into_iter().map(|key| key.prompt).collect();
    assert_eq!(pending, ["p2", "p5", "p2", "p5"]);
    let kept = run.records().unwrap();
    let answered: Vec<Record> = unbroken(&plan).into_iter().filter(|record| record.answer().is_some()).collect();
    assert_eq!(kept.iter().map(Record::without_timings).collect::<Vec<_>>(), answered, "the others in the same order");
    let before = lines(dir.path());
    assert_eq!((run.forget_failures().unwrap(), lines(dir.path())), (0, before));
    complete(&mut run, &plan, 2.0);
    assert_eq!(timeless(dir.path()), unbroken(&plan));
}
