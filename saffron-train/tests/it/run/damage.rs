//! Damaged files: the checkpoint before is taken, or nothing is touched.

use std::fs;
use std::path::Path;

use saffron_train::TrainError;

use super::{copy, ends_as, files, open, step, stopped, whole};
use crate::labels::fast_dir;

pub(super) const FILES: [&str; 7] = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "checksums.json",
    "optimizer.bpk",
    "reward_head.safetensors",
    "state.json",
    "trainer.json",
];

fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// What may happen to a file, in words.
type Damage = (&'static str, fn(&Path));

fn damages() -> [Damage; 3] {
    [
        ("cut short", truncate),
        ("one bit is another", |path| flip(path, fs::metadata(path).unwrap().len() as usize / 2)),
        ("gone", |path| fs::remove_file(path).unwrap()),
    ]
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let (run, expected) = (fast_dir(), whole());
    stopped(run.path(), 8);
    assert_eq!(files(&step(run.path(), 8)).into_keys().collect::<Vec<_>>(), FILES);
    for name in FILES {
        for (what, damage) in damages() {
            let dir = fast_dir();
            copy(run.path(), dir.path());
            damage(&step(dir.path(), 8).join(name));
            assert_eq!(open(dir.path()).unwrap().trainer().steps(), 6, "{name} is {what}");
            ends_as(dir.path(), &expected, &format!("{name} is {what}"));
        }
    }
}

#[test]
fn every_bit_of_what_a_checkpoint_says_of_itself_counts() {
    let run = fast_dir();
    stopped(run.path(), 4);
    let log = run.path().join("metrics.jsonl");
    let lines = fs::read(&log).unwrap();
    for name in ["state.json", "checksums.json"] {
        let path = step(run.path(), 4).join(name);
        for at in 0..fs::metadata(&path).unwrap().len() as usize {
            flip(&path, at);
            assert_eq!(open(run.path()).unwrap().trainer().steps(), 3, "byte {at} of {name}");
            flip(&path, at);
            fs::write(&log, &lines).unwrap(); // The lines after step 3 were cut off.
        }
    }
    assert_eq!(open(run.path()).unwrap().trainer().steps(), 4);
}

#[test]
fn after_a_damaged_checkpoint_as_many_are_kept_as_ever() {
    let dir = fast_dir();
    stopped(dir.path(), 8);
    truncate(&step(dir.path(), 8).join("optimizer.bpk"));
    stopped(dir.path(), 7);
    assert_eq!(super::checkpoints(dir.path()), [3, 6, 7, 8], "two, the best, and the damaged one");
    assert_eq!(open(dir.path()).unwrap().trainer().steps(), 7);
    ends_as(dir.path(), &whole(), "after the damage");
}

#[test]
fn where_no_checkpoint_is_whole_nothing_is_touched_and_a_file_is_named() {
    let dir = fast_dir();
    stopped(dir.path(), 5);
    for step in super::checkpoints(dir.path()) {
        truncate(&super::step(dir.path(), step).join("optimizer.bpk"));
    }
    let before = files(dir.path());
    let error = open(dir.path()).unwrap_err();
    let TrainError::Checkpoint { path, reason } = &error else { panic!("{error}") };
    assert_eq!(path, &step(dir.path(), 5).join("optimizer.bpk"));
    assert!(reason.contains("CRC-32"), "{reason}");
    assert!(files(dir.path()) == before);
}

#[test]
fn a_torn_line_of_the_log_is_written_again() {
    let (dir, expected) = (fast_dir(), whole());
    stopped(dir.path(), 7);
    let log = dir.path().join("metrics.jsonl");
    let mut bytes = fs::read(&log).unwrap();
    bytes.extend(br#"{"kind":"step","step":8,"epo"#);
    fs::write(&log, bytes).unwrap();
    ends_as(dir.path(), &expected, "after a torn line");
}

fn cut_log(dir: &Path, lines: usize) {
    let log = dir.join("metrics.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.split_inclusive('\n').take(lines).collect::<String>()).unwrap();
}

#[test]
fn a_log_that_has_lost_lines_is_taken_up_where_it_is_whole() {
    let (run, expected) = (fast_dir(), whole());
    stopped(run.path(), 8);
    // Steps 1, 2, 3, validation, 4, 5, 6, validation, 7, 8; checkpoints of 3 (the best), 6 and 8.
    for (lines, steps) in [(10, 8), (9, 6), (8, 6), (7, 3), (4, 3)] {
        let dir = fast_dir();
        copy(run.path(), dir.path());
        cut_log(dir.path(), lines);
        assert_eq!(open(dir.path()).unwrap().trainer().steps(), steps, "{lines} lines");
        ends_as(dir.path(), &expected, &format!("{lines} lines"));
    }
    cut_log(run.path(), 3);
    let error = open(run.path()).unwrap_err();
    assert!(
        matches!(error, TrainError::Checkpoint { .. }) && error.to_string().contains("of which 3 are left"),
        "{error}"
    );
}
