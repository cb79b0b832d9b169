//! Journals and manifests, as others than runs use them.

use std::fs;
use std::ops::Range;
use std::path::Path;

use saffron_search::eval::files::{Claim, FileError, Journal, Lock};
use saffron_search::eval::runs::{Manifest, RunError, Shard};
use serde_json::json;

type Steps = Journal<(u64, f64)>;

fn written(path: &Path, records: u64) -> Vec<u8> {
    let mut journal = Steps::open(path).unwrap();
    append(&mut journal, 0..records);
    fs::read(path).unwrap()
}

fn append(journal: &mut Steps, steps: Range<u64>) {
    for step in steps {
        journal.append(&(step, 0.5 * step as f64)).unwrap();
    }
}

#[test]
fn a_journal_cut_at_any_byte_keeps_its_whole_lines_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("steps.jsonl");
    let bytes = written(&path, 3);
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let mut journal = Steps::open(&path).unwrap();
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let kept = bytes[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        assert_eq!((journal.len(), journal.cut_off()), (whole, (cut - kept) as u64), "cut at byte {cut}");
        append(&mut journal, whole as u64..3);
        assert_eq!(fs::read(&path).unwrap(), bytes, "cut at byte {cut}");
    }
}

#[test]
fn a_journal_is_cut_back_and_goes_on_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("steps.jsonl");
    let bytes = written(&path, 5);
    let mut journal = Steps::open(&path).unwrap();
    journal.truncate(9).unwrap();
    assert_eq!(journal.len(), 5);
    journal.truncate(2).unwrap();
    assert_eq!(journal.records().unwrap(), [(0, 0.0), (1, 0.5)]);
    journal.append_all(&[(2, 1.0), (3, 1.5), (4, 2.0)]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    journal.truncate(0).unwrap();
    assert!(journal.is_empty() && fs::read(&path).unwrap().is_empty());
}

#[test]
fn a_broken_line_before_others_and_a_key_twice_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("steps.jsonl");
    fs::write(&path, "[0,0.5]\n[1]\n[2,0.5]\n").unwrap();
    assert!(matches!(Steps::open(&path), Err(FileError::Line { line: 2, .. })));
    assert!(matches!(Steps::read(&path), Err(FileError::Line { line: 2, .. })));
    fs::write(&path, "[0,0.5]\n[1,0.5]\n[0,0.5]\n").unwrap();
    let error = Steps::open_keyed(&path, |(step, _)| *step).unwrap_err();
    assert!(matches!(&error, FileError::Duplicate { key, first: 1, line: 3, .. } if key == "0"), "{error}");
    assert_eq!(Steps::open(&path).unwrap().len(), 3);
}

#[test]
fn a_last_line_that_ends_whole_but_is_no_record_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("steps.jsonl");
    for last in ["[1,0.5,true]", "[1", "", "{}"] {
        let bytes = format!("[0,0.5]\n{last}\n").into_bytes();
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Steps::open(&path), Err(FileError::Line { line: 2, .. })), "{last}");
        assert!(matches!(Steps::read(&path), Err(FileError::Line { line: 2, .. })), "{last}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{last}");
    }
    fs::write(&path, "[0,0.5]\n\0\0\0]\n").unwrap();
    assert_eq!(Steps::open(&path).unwrap().cut_off(), 5, "a power cut leaves zeros");
}

#[cfg(unix)]
#[test]
fn a_journal_has_one_writer_and_any_readers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("steps.jsonl");
    let mut journal = Steps::open(&path).unwrap();
    append(&mut journal, 0..2);
    assert!(matches!(Steps::open(&path), Err(FileError::Held { path: held }) if held == path));
    assert!(matches!(Claim::take(&path), Err(FileError::Held { path: held }) if held == path));
    assert_eq!(Steps::read(&path).unwrap().len(), 2);
    drop(journal);
    assert_eq!(Steps::open(&path).unwrap().len(), 2);
}

#[cfg(unix)]
#[test]
fn nothing_is_written_to_a_file_that_is_no_longer_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("steps.jsonl");
    let mut journal = Steps::open(&path).unwrap();
    append(&mut journal, 0..2);
    fs::remove_file(&path).unwrap();
    assert!(matches!(journal.append(&(2, 1.0)), Err(FileError::Replaced { path: gone }) if gone == path));
    fs::write(&path, "").unwrap();
    assert!(matches!(journal.append(&(2, 1.0)), Err(FileError::Replaced { .. })));
    assert_eq!((journal.len(), fs::read(&path).unwrap().len()), (2, 0));
}

#[test]
fn what_would_not_read_back_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("steps.jsonl");
    let bytes = written(&path, 2);
    let mut journal = Steps::open(&path).unwrap();
    for records in [&[(2, f64::NAN)][..], &[(2, 1.0), (3, f64::INFINITY)]] {
        let error = journal.append_all(records).unwrap_err();
        assert!(matches!(&error, FileError::Encode { path: at, .. } if *at == path), "{error}");
    }
    assert_eq!((journal.len(), fs::read(&path).unwrap()), (2, bytes));
}

#[test]
fn a_lock_is_held_until_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let lock = Lock::take(&path).unwrap();
    assert!(matches!(Lock::take(&path), Err(FileError::Held { path: held }) if held == path));
    drop(lock);
    Lock::take(&path).unwrap();
}

#[test]
fn a_manifest_is_written_once_and_compared_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest.json");
    let manifest = |rate: f64| Manifest::new(json!({ "learning_rate": rate }), Shard::WHOLE).fingerprint("base", "1");
    assert_eq!(Manifest::read(&path).unwrap(), None);
    manifest(0.1).settle(&path).unwrap();
    manifest(0.1).settle(&path).unwrap();
    let error = manifest(0.2).settle(&path).unwrap_err();
    assert!(error.to_string().ends_with("learning_rate: 0.2 here, 0.1 in the run"), "{error}");
    let error = manifest(0.1).fingerprint("base", "2").settle(&path).unwrap_err();
    assert!(error.to_string().contains("fingerprints.base"), "{error}");
    let shard = Shard::new(0, 2).unwrap();
    assert!(matches!(manifest(0.1).with_shard(shard).settle(&path), Err(RunError::OtherSettings { .. })));
    assert_eq!(Manifest::read(&path).unwrap(), Some(manifest(0.1)));
    let secret = Manifest::new(json!({ "password": "x" }), Shard::WHOLE);
    assert!(matches!(secret.settle(&dir.path().join("other.json")), Err(RunError::Secret(_))));
}
