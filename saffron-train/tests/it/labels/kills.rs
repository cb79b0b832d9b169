//! Runs die anywhere, disks are full, and nothing is lost or there twice.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use saffron_search::eval::files::FileError;
use saffron_search::eval::runs::Shard;
use saffron_train::labels::{LabelError, LabelRun, read};

use super::{fast_dir, fixed, label, lines, manifest};

/// Three groups of three and one of two.
const ITEMS: usize = 11;

#[test]
fn a_run_killed_at_any_byte_goes_on_to_the_same_file() {
    let whole = fast_dir();
    let summary = label(whole.path(), ITEMS, Shard::WHOLE);
    let bytes = lines(whole.path());
    let dir = fast_dir();
    drop(LabelRun::open(dir.path(), manifest(ITEMS, Shard::WHOLE)).unwrap());
    for cut in 0..=bytes.len() {
        fs::write(dir.path().join("labels.jsonl"), &bytes[..cut]).unwrap();
        let written = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let groups = if written == ITEMS { 4 } else { written / 3 };
        let mut run = LabelRun::open(dir.path(), manifest(ITEMS, Shard::WHOLE)).unwrap();
        assert_eq!((run.done(), run.pending().len()), ((3 * groups).min(ITEMS), 4 - groups), "cut at byte {cut}");
        let mut source = fixed(ITEMS);
        let mut ended = Vec::new();
        let found = run.run(&mut source, &mut |group| ended.push(group.number)).unwrap();
        assert_eq!(ended, (groups..4).collect::<Vec<_>>(), "cut at byte {cut}");
        assert_eq!(source.asked.len(), 4 - groups, "whole groups are not labelled again");
        assert_eq!((lines(dir.path()), &found), (bytes.clone(), &summary), "cut at byte {cut}");
    }
}

#[test]
fn what_a_kill_left_beside_a_file_is_removed() {
    let dir = fast_dir();
    label(dir.path(), ITEMS, Shard::WHOLE);
    let beside = dir.path().join("summary.json.partial");
    fs::write(&beside, "{").unwrap();
    assert!(LabelRun::existing(dir.path()).unwrap().pending().is_empty() && !beside.exists());
}

/// In a child, where the test keeps its run; none in the test itself.
fn childs_dir() -> Option<PathBuf> {
    env::var_os("SAFFRON_TEST_LABELS").map(PathBuf::from)
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_the_groups_before_and_the_run_goes_on() {
    if let Some(dir) = childs_dir() {
        return write_beyond_the_limit(&dir);
    }
    let (dir, whole) = (tempfile::tempdir().unwrap(), fast_dir());
    // Files end at two blocks of 512 bytes; without the trap the signal for it would end the process.
    let mut child = Command::new("sh");
    child.args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    let test = "labels::kills::a_disk_that_is_full_leaves_the_groups_before_and_the_run_goes_on";
    child.args([test, "--exact", "--nocapture"]).env("SAFFRON_TEST_LABELS", dir.path());
    let output = child.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");

    label(whole.path(), ITEMS, Shard::WHOLE);
    let (written, all) = (lines(dir.path()), lines(whole.path()));
    assert!(!written.is_empty() && all.starts_with(&written), "whole groups are left, and nothing else");
    label(dir.path(), ITEMS, Shard::WHOLE);
    assert_eq!(lines(dir.path()), all);
}

fn write_beyond_the_limit(dir: &std::path::Path) {
    let mut run = LabelRun::open(dir, manifest(ITEMS, Shard::WHOLE)).unwrap();
    let error = run.run(&mut fixed(ITEMS), &mut |_| {}).unwrap_err();
    let LabelError::File(FileError::Io { action: "write", path, source }) = error else { panic!("{error}") };
    assert_eq!((path, source.kind()), (dir.join("labels.jsonl"), ErrorKind::FileTooLarge));
    assert!(run.done() > 0 && run.done().is_multiple_of(3), "{} replies", run.done());
    assert!(!dir.join("summary.json").exists());
    assert_eq!(read(dir).unwrap().1.last().map(|record| record.index < run.done()), Some(true));
}
