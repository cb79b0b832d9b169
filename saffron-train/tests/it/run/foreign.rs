//! Files of a checkpoint that are none, or larger than they can be: nothing blocks, nothing is read
//! that is not bounded, and the checkpoint before is taken.

use std::fs::{self, File};
use std::path::Path;

use saffron_search::eval::files::FileError;
use saffron_train::TrainError;

use super::damage::FILES;
use super::{checkpoints, copy, ends_as, open, step, stopped, whole};
use crate::labels::{fast_dir, in_time};

/// What stands in the place of a file, in words.
type Put = (&'static str, fn(&Path));

fn puts() -> Vec<Put> {
    let mut puts: Vec<Put> = vec![
        ("a directory", |path| fs::create_dir(path).unwrap()),
        // 1 TiB that takes no room on the disk.
        ("huge", |path| File::create(path).and_then(|file| file.set_len(1 << 40)).unwrap()),
    ];
    #[cfg(unix)]
    puts.extend([
        ("a link that leads nowhere", (|path| std::os::unix::fs::symlink("nothing", path).unwrap()) as fn(&Path)),
        ("a FIFO", |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success())),
    ]);
    puts
}

/// Puts something in the place of a file of a checkpoint.
fn put(dir: &Path, at: u64, name: &str, with: fn(&Path)) {
    let path = step(dir, at).join(name);
    fs::remove_file(&path).unwrap();
    with(&path);
}

#[test]
fn a_checkpoint_with_a_file_that_is_none_gives_way_to_the_one_before() {
    let (run, expected) = (fast_dir(), whole());
    stopped(run.path(), 8);
    for name in FILES {
        for (what, with) in puts() {
            let dir = fast_dir();
            copy(run.path(), dir.path());
            put(dir.path(), 8, name, with);
            let path = dir.path().to_owned();
            assert_eq!(in_time(move || open(&path).unwrap().trainer().steps()), 6, "{name} is {what}");
        }
    }
    for (what, with) in puts() {
        let dir = fast_dir();
        copy(run.path(), dir.path());
        put(dir.path(), 8, "optimizer.bpk", with);
        ends_as(dir.path(), &expected, what);
    }
}

#[test]
fn where_no_checkpoint_is_left_the_error_says_what_was_found() {
    for (what, with) in puts() {
        let dir = fast_dir();
        stopped(dir.path(), 5);
        for at in checkpoints(dir.path()) {
            put(dir.path(), at, "state.json", with);
        }
        let path = dir.path().to_owned();
        let error = in_time(move || open(&path).unwrap_err());
        let TrainError::File(error) = error else { panic!("{what}: {error}") };
        let expected = match what {
            "huge" => matches!(error, FileError::TooLarge { .. }),
            _ => matches!(error, FileError::NotAFile { .. }),
        };
        assert!(expected, "{what}: {error}");
    }
}
