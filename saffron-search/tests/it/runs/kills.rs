//! Processes die anywhere, disks are full, and nothing is lost.

use std::env;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use saffron_search::eval::runs::{Ending, Key, Plan, Record, RunDir, RunError};

use super::{complete, lines, manifest, plan, record, timeless, unbroken};

/// In memory where there is such a place: thousands of runs are written, and each waits for the disk.
fn fast_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// A run whose last key was done first, not yet in order, and its keys in the order of the file.
fn scrambled(plan: &Plan) -> (Vec<u8>, Vec<Key>) {
    let dir = fast_dir();
    let mut run = RunDir::open(dir.path(), manifest()).unwrap();
    let mut keys = run.pending(plan);
    keys.rotate_right(1);
    keys.iter().for_each(|key| run.append(&record(plan, key, 1.0)).unwrap());
    (lines(dir.path()), keys)
}

#[test]
fn a_run_killed_at_any_byte_goes_on_to_the_same_records() {
    let plan = plan(3);
    let ((bytes, keys), expected) = (scrambled(&plan), unbroken(&plan));
    let dir = fast_dir();
    RunDir::open(dir.path(), manifest()).unwrap();
    for cut in 0..=bytes.len() {
        std::fs::write(dir.path().join("records.jsonl"), &bytes[..cut]).unwrap();
        let mut run = RunDir::open(dir.path(), manifest()).unwrap();
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let done: Vec<&Key> = keys.iter().filter(|key| run.done(key)).collect();
        assert_eq!(done, keys[..whole].iter().collect::<Vec<_>>(), "cut at byte {cut}");
        let kept = bytes[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        assert_eq!(run.cut_off(), (cut - kept) as u64);
        complete(&mut run, &plan, 2.0);
        assert_eq!(timeless(dir.path()), expected, "cut at byte {cut}");
    }
}

#[test]
fn what_a_kill_left_beside_a_file_is_removed() {
    let (dir, plan) = (fast_dir(), plan(1));
    complete(&mut RunDir::open(dir.path(), manifest()).unwrap(), &plan, 1.0);
    let beside = dir.path().join("records.jsonl.partial");
    std::fs::write(&beside, "{\"key\"").unwrap();
    let run = RunDir::open(dir.path(), manifest()).unwrap();
    assert!(!beside.exists() && run.pending(&plan).is_empty());
}

/// In a child, where the test keeps its run; none in the test itself.
fn childs_dir() -> Option<PathBuf> {
    env::var_os("SAFFRON_TEST_RUN_DIR").map(PathBuf::from)
}

/// This very test once more, as a process of its own that finds `dir` by [`childs_dir`], begun by a shell after
/// `before`.
fn child(test: &str, dir: &Path, before: &str) -> Child {
    let script = format!("{before} exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]);
    command.env("SAFFRON_TEST_RUN_DIR", dir).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A record that does not fit where files end at 4 KiB.
fn long(plan: &Plan, key: &Key) -> Record {
    let mut long = record(plan, key, 1.0);
    if let Ending::Answered(answer) = &mut long.ending {
        answer.text = Some("long ".repeat(2_000));
    }
    long
}

#[cfg(unix)]
#[test]
fn a_write_that_finds_no_room_is_taken_back_and_the_run_goes_on() {
    let plan = plan(3);
    if let Some(dir) = childs_dir() {
        return write_beyond_the_limit(&plan, &dir);
    }
    let dir = tempfile::tempdir().unwrap();
    // Files end at eight blocks of 512 bytes; without the trap the signal for it would end the process.
    let test = "runs::kills::a_write_that_finds_no_room_is_taken_back_and_the_run_goes_on";
    let output = child(test, dir.path(), "trap '' XFSZ; ulimit -f 8;").wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");

    let mut run = RunDir::open(dir.path(), manifest()).unwrap();
    assert_eq!((run.len(), run.cut_off()), (2, 0));
    let pending = run.pending(&plan);
    run.append(&long(&plan, &pending[0])).unwrap();
    complete(&mut run, &plan, 1.0);
    let mut expected = unbroken(&plan);
    expected[1] = long(&plan, &expected[1].key).without_timings();
    assert_eq!(timeless(dir.path()), expected);
}

fn write_beyond_the_limit(plan: &Plan, dir: &Path) {
    let mut run = RunDir::open(dir, manifest()).unwrap();
    let keys = run.pending(plan);
    run.append(&record(plan, &keys[0], 1.0)).unwrap();
    let before = lines(dir);
    let error = run.append(&long(plan, &keys[1])).unwrap_err();
    let RunError::Io { action: "write", path, source } = error else { panic!("{error}") };
    assert_eq!((path, source.kind()), (dir.join("records.jsonl"), ErrorKind::FileTooLarge));
    assert_eq!(lines(dir), before, "no part of the line is left");
    assert!(!run.done(&keys[1]));
    run.append(&record(plan, &keys[2], 1.0)).unwrap();
    let error = run.write_summary(&"long ".repeat(2_000)).unwrap_err();
    assert!(matches!(&error, RunError::Io { path, .. } if path.ends_with("summary.json")), "{error}");
    let names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "no part of a summary is left: {names:?}");
}

#[cfg(unix)]
#[test]
fn a_run_is_held_until_its_process_dies() {
    let plan = plan(2);
    if let Some(dir) = childs_dir() {
        return hold(&plan, &dir);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut holder = child("runs::kills::a_run_is_held_until_its_process_dies", dir.path(), "");
    let printed = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(printed.into_iter().any(|line| line.contains("held")), "the child never got the run");
    let error = RunDir::open(dir.path(), manifest()).unwrap_err();
    assert!(matches!(&error, RunError::Held { path } if *path == dir.path().join("lock")), "{error}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let mut run = RunDir::open(dir.path(), manifest()).unwrap();
    assert_eq!(run.len(), 1);
    complete(&mut run, &plan, 2.0);
    assert_eq!(timeless(dir.path()), unbroken(&plan));
}

#[allow(clippy::print_stdout, reason = "the parent waits for it")]
fn hold(plan: &Plan, dir: &Path) {
    let mut run = RunDir::open(dir, manifest()).unwrap();
    run.append(&record(plan, &run.pending(plan)[0], 1.0)).unwrap();
    println!("held");
    std::thread::sleep(Duration::from_secs(60));
}

#[cfg(unix)]
#[test]
fn removing_the_lock_lets_no_second_process_write() {
    let (dir, plan) = (fast_dir(), plan(3));
    let mut run = RunDir::open(dir.path(), manifest()).unwrap();
    let keys = run.pending(&plan);
    run.append(&record(&plan, &keys[0], 1.0)).unwrap();
    for _ in 0..2 {
        std::fs::remove_file(dir.path().join("lock")).unwrap();
        let before = lines(dir.path());
        for opened in [RunDir::open(dir.path(), manifest()), RunDir::existing(dir.path())] {
            let error = opened.unwrap_err();
            assert!(matches!(&error, RunError::Held { path } if *path == dir.path().join("records.jsonl")), "{error}");
        }
        assert_eq!(lines(dir.path()), before);
        // Finishing puts another file in the records' place, which is held as well.
        complete(&mut run, &plan, 1.0);
    }
    drop(run);
    assert_eq!(timeless(dir.path()), unbroken(&plan));
    assert!(RunDir::open(dir.path(), manifest()).unwrap().pending(&plan).is_empty());
}

#[cfg(unix)]
#[test]
fn records_that_were_taken_away_are_not_written_and_those_in_their_place_are_left_alone() {
    let (dir, plan) = (fast_dir(), plan(3));
    let mut run = RunDir::open(dir.path(), manifest()).unwrap();
    let keys = run.pending(&plan);
    run.append(&record(&plan, &keys[0], 1.0)).unwrap();
    let path = dir.path().join("records.jsonl");
    std::fs::remove_file(&path).unwrap();
    let error = run.append(&record(&plan, &keys[1], 1.0)).unwrap_err();
    assert!(error.to_string().contains("was removed or replaced"), "{error}");
    assert!(!run.done(&keys[1]));
    std::fs::write(&path, "another's\n").unwrap();
    assert!(run.append(&record(&plan, &keys[1], 1.0)).is_err());
    assert_eq!(lines(dir.path()), b"another's\n");
}

#[test]
fn of_many_that_open_a_run_at_once_one_gets_it() {
    let dir = fast_dir();
    let barrier = std::sync::Barrier::new(8);
    let opened = std::thread::scope(|scope| {
        let open = || {
            barrier.wait();
            let run = RunDir::open(dir.path(), manifest());
            barrier.wait();
            run.map(drop)
        };
        let openers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1);
    assert_eq!(opened.iter().filter(|opened| matches!(opened, Err(RunError::Held { .. }))).count(), 7);
    RunDir::open(dir.path(), manifest()).unwrap();
}

#[cfg(unix)]
#[test]
fn a_run_that_is_let_go_is_free_though_children_are_being_started() {
    let dir = fast_dir();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let opened: Vec<_> = (0..500).map(|_| RunDir::open(dir.path(), manifest()).map(drop)).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(opened.iter().all(Result::is_ok), "{:?}", opened.iter().find(|opened| opened.is_err()));
    });
}
