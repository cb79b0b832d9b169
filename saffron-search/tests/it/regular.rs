//! Files of runs that are there by name and are something else: an error at once, never absent.

use std::fs;
use std::path::Path;
use std::time::Duration;

use saffron_search::eval::files::{
    Claim, FileError, Journal, Lock, MAX_LINE, is_there, open_regular, read_capped, replace,
};
use saffron_search::eval::runs::{Manifest, RunDir, RunError, Shard, merge, read};
use serde_json::json;

type Steps = Journal<(u64, f64)>;

/// What a call gives in time; a FIFO that is opened blocks for ever.
fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(call()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("it blocks")
}

/// Puts something at a path that is no file, and says what it is.
type Put = fn(&Path) -> &'static str;

fn directory(path: &Path) -> &'static str {
    fs::create_dir(path).unwrap();
    "a directory"
}

#[cfg(unix)]
fn dangling(path: &Path) -> &'static str {
    std::os::unix::fs::symlink(path.with_file_name("nothing"), path).unwrap();
    "a link that leads nowhere"
}

#[cfg(unix)]
fn device(path: &Path) -> &'static str {
    std::os::unix::fs::symlink("/dev/null", path).unwrap();
    "a device, pipe or socket"
}

#[cfg(unix)]
fn fifo(path: &Path) -> &'static str {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    "a device, pipe or socket"
}

#[cfg(unix)]
const KINDS: [Put; 4] = [directory, dangling, device, fifo];
#[cfg(not(unix))]
const KINDS: [Put; 1] = [directory];

fn manifest() -> Manifest {
    Manifest::new(json!({ "width": 4 }), Shard::WHOLE)
}

/// A run of no record, with something else in the place of one of its files.
fn broken(name: &str, put: Put) -> (tempfile::TempDir, &'static str) {
    let dir = tempfile::tempdir().unwrap();
    drop(RunDir::open(dir.path(), manifest()).unwrap());
    fs::remove_file(dir.path().join(name)).unwrap();
    let found = put(&dir.path().join(name));
    (dir, found)
}

fn is_no_file<T>(result: Result<T, RunError>, expected: &str) -> bool {
    matches!(result, Err(RunError::File(FileError::NotAFile { found, .. })) if found == expected)
}

#[test]
fn a_manifest_that_is_no_file_is_an_error_not_a_run_to_begin() {
    for put in KINDS {
        let (dir, found) = broken("manifest.json", put);
        let path = dir.path().to_owned();
        assert!(is_no_file(in_time(move || Manifest::read(&path.join("manifest.json"))), found), "{found}");
        let path = dir.path().to_owned();
        assert!(is_no_file(in_time(move || RunDir::open(path, manifest())), found), "{found}");
        let path = dir.path().to_owned();
        assert!(is_no_file(in_time(move || RunDir::existing(path)), found), "{found}");
        let path = dir.path().to_owned();
        assert!(is_no_file(in_time(move || read(&path)), found), "{found}");
        assert!(!dir.path().join("nothing").exists(), "nothing was written where the link leads");
    }
}

#[test]
fn records_that_are_no_file_are_an_error_not_none() {
    for put in KINDS {
        let (dir, found) = broken("records.jsonl", put);
        let path = dir.path().to_owned();
        assert!(is_no_file(in_time(move || read(&path)), found), "{found}");
        let path = dir.path().to_owned();
        assert!(is_no_file(in_time(move || RunDir::open(path, manifest())), found), "{found}");
        let path = dir.path().to_owned();
        let out = tempfile::tempdir().unwrap();
        let into = out.path().join("out");
        assert!(is_no_file(in_time(move || merge(&[path], &into)), found), "{found}");
        assert!(!dir.path().join("nothing").exists(), "nothing was written where the link leads");
    }
    // Records that were put away are looked for only where the others are not.
    for put in KINDS {
        let (dir, _) = broken("records.jsonl", |_| "");
        let found = put(&dir.path().join("records.jsonl.gz"));
        let path = dir.path().to_owned();
        assert!(is_no_file(in_time(move || read(&path)), found), "{found}");
    }
}

#[test]
fn a_lock_and_a_claim_are_taken_of_files_alone() {
    for put in KINDS {
        let (dir, found) = broken("lock", put);
        let path = dir.path().to_owned();
        assert!(is_no_file(in_time(move || RunDir::open(path, manifest())), found), "{found}");
        let path = dir.path().join("lock");
        let taken = in_time(move || (Lock::take(&path).err(), Claim::take(path).err()));
        for error in [taken.0, taken.1] {
            assert!(matches!(error, Some(FileError::NotAFile { found: what, .. }) if what == found), "{found}");
        }
        assert!(!dir.path().join("nothing").exists(), "no file was made where the link leads");
    }
}

#[test]
fn a_journal_is_read_from_a_file_alone() {
    for put in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("steps.jsonl");
        let found = put(&path);
        let errors = in_time(move || {
            let opened = Steps::open(&path).err();
            [opened, Steps::read(&path).err(), Steps::read_gzipped(&path).err(), open_regular(&path).err()]
        });
        for error in errors {
            let error = error.unwrap();
            assert!(matches!(&error, FileError::NotAFile { found: what, .. } if *what == found), "{error}");
            assert!(error.to_string().ends_with(&format!("expected a regular file, found {found}")), "{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_a_kill_has_left_beside_a_file_is_replaced_whatever_it_is() {
    for put in [dangling as Put, device, fifo] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary.json");
        put(&dir.path().join("summary.json.partial"));
        let target = path.clone();
        in_time(move || replace(&target, |file| std::io::Write::write_all(file, b"{}"))).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        assert!(!dir.path().join("nothing").exists());
    }
}

#[test]
fn only_what_has_no_entry_is_absent() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!is_there(&dir.path().join("a")).unwrap());
    for put in KINDS {
        let path = dir.path().join("a");
        put(&path);
        assert!(is_there(&path).unwrap());
        if path.is_dir() { fs::remove_dir(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
    }
}

#[test]
fn what_is_read_whole_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, "12345").unwrap();
    assert_eq!(read_capped(&path, 5).unwrap(), b"12345");
    assert!(matches!(read_capped(&path, 4), Err(FileError::TooLarge { limit: 4, .. })));
    fs::write(dir.path().join("manifest.json"), " ".repeat((8 << 20) + 1)).unwrap();
    let error = Manifest::read(&dir.path().join("manifest.json")).unwrap_err();
    assert!(matches!(error, RunError::File(FileError::TooLarge { limit: 8_388_608, .. })), "{error}");
    let long = vec![b' '; usize::try_from(MAX_LINE).unwrap() + 2];
    fs::write(&path, [b"[0,0.5]\n", &long[..]].concat()).unwrap();
    let error = Steps::read(&path).unwrap_err();
    assert!(matches!(error, FileError::LongLine { line: 2, limit: MAX_LINE, .. }), "{error}");
}
