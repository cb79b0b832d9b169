//! Directories and files of labels that somebody has damaged, or made to cost much.

use std::fs;
use std::path::Path;

use saffron_core::with_causes;
use saffron_search::eval::files::FileError;
use saffron_search::eval::runs::{RunError, Shard};
use saffron_train::labels::{LabelError, LabelRun, read};

use super::{VOCABULARY, fast_dir, in_time, label, lines, manifest};
use saffron_core::testing::Mutator;

#[test]
fn a_mutant_of_a_file_of_labels_is_read_or_refused() {
    let dir = fast_dir();
    label(dir.path(), 11, Shard::WHOLE);
    let (bytes, path) = (lines(dir.path()), dir.path().join("labels.jsonl"));
    let (mut mutator, mut whole) = (Mutator::new(19), 0);
    for round in 0..900 {
        fs::write(&path, mutator.mutant(&bytes)).unwrap();
        match (read(dir.path()), LabelRun::existing(dir.path()).map(|run| run.done())) {
            (Ok((_, records)), Ok(done)) => {
                records.iter().for_each(|record| record.check(VOCABULARY).unwrap());
                assert!(records.len() <= 11 && done <= 11, "round {round}");
                whole += 1;
            }
            (Err(_), Err(_)) => {}
            (read, opened) => panic!("round {round}: read {read:?}, opened {opened:?}"),
        }
    }
    assert!((50..850).contains(&whole), "{whole} of 900 were taken up");
}

#[cfg(unix)]
fn is_no_file<T>(result: Result<T, LabelError>) -> bool {
    matches!(
        result,
        Err(LabelError::File(FileError::NotAFile { .. }) | LabelError::Run(RunError::File(FileError::NotAFile { .. })))
    )
}

#[cfg(unix)]
#[test]
fn labels_that_are_no_file_are_an_error_not_none() {
    use std::os::unix::fs::symlink;
    let put: [fn(&Path); 3] = [
        |path| symlink("nothing", path).unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
    ];
    for name in ["labels.jsonl", "manifest.json", "lock"] {
        for put in put {
            let dir = fast_dir();
            label(dir.path(), 5, Shard::WHOLE);
            fs::remove_file(dir.path().join(name)).unwrap();
            put(&dir.path().join(name));
            let path = dir.path().to_owned();
            assert!(is_no_file(in_time(move || LabelRun::existing(path))), "{name}");
            let path = dir.path().to_owned();
            assert!(is_no_file(in_time(move || LabelRun::open(path, manifest(5, Shard::WHOLE)))), "{name}");
            let path = dir.path().to_owned();
            let read = in_time(move || read(&path));
            assert!(name == "lock" || is_no_file(read), "{name}");
            assert!(!dir.path().join("nothing").exists(), "{name}");
        }
    }
}

#[test]
fn a_cause_is_said_once() {
    let cause = || std::io::Error::other("the cause");
    let json = serde_json::from_str::<u32>("x").unwrap_err();
    let errors: [LabelError; 5] = [
        LabelError::Corpus { first: 0, last: 1, source: cause().into() },
        LabelError::Parquet { path: "x".into(), source: cause().into() },
        LabelError::File(FileError::Io { action: "read", path: "x".into(), source: cause() }),
        LabelError::Model { id: "a".into(), position: 0, source: saffron_core::ModelError::other("asking", cause()) },
        LabelError::Run(RunError::from(FileError::Io { action: "read", path: "x".into(), source: cause() })),
    ];
    for error in errors {
        let chain = with_causes(&error);
        assert_eq!(chain.matches("the cause").count(), 1, "{chain}");
    }
    let (error, expected) = (LabelError::Settings { path: "x".into(), source: json }, "expected value");
    assert_eq!(with_causes(&error).matches(expected).count(), 1, "{error:?}");
}
