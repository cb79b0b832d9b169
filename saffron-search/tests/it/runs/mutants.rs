//! Records that somebody has damaged.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use saffron_search::eval::runs::{RunDir, read};

use super::{complete, lines, manifest, plan};
use saffron_core::testing::Mutator;

/// In memory where there is such a place: many files are written.
fn fast_dir() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

#[test]
fn a_mutant_of_a_file_of_records_is_read_or_refused() {
    let (dir, plan) = (fast_dir(), plan(5));
    let mut run = RunDir::open(dir.path(), manifest()).unwrap();
    complete(&mut run, &plan, 1.0);
    drop(run);
    let (bytes, kept) = (lines(dir.path()), read(dir.path()).unwrap().1);
    let path = dir.path().join("records.jsonl");
    let (mut mutator, mut whole) = (Mutator::new(19), 0);
    for round in 0..900 {
        let mutant = mutator.mutant(&bytes);
        fs::write(&path, &mutant).unwrap();
        let records = read(dir.path()).map(|(_, records)| records);
        // Opening a run checks more, and cuts off what is torn.
        let opened = RunDir::existing(dir.path()).map(|run| run.records().unwrap());
        match (records, opened) {
            (Ok(records), Ok(opened)) => {
                assert_eq!(opened, records, "round {round}");
                assert!(records.len() <= kept.len() + 4, "round {round}");
                whole += 1;
            }
            (Ok(_), Err(_)) => {}
            (Err(error), opened) => assert!(opened.is_err(), "round {round}: {error}"),
        }
    }
    assert!((50..850).contains(&whole), "{whole} of 900 were taken up");
}

#[test]
fn a_mutant_of_zipped_records_is_read_or_refused() {
    let (dir, plan) = (fast_dir(), plan(5));
    let mut run = RunDir::open(dir.path(), manifest()).unwrap();
    complete(&mut run, &plan, 1.0);
    drop(run);
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    zipped.write_all(&lines(dir.path())).unwrap();
    let zipped = zipped.finish().unwrap();
    fs::remove_file(dir.path().join("records.jsonl")).unwrap();
    let (mut mutator, mut refused) = (Mutator::new(20), 0);
    for _ in 0..300 {
        fs::write(dir.path().join("records.jsonl.gz"), mutator.mutant(&zipped)).unwrap();
        refused += usize::from(read(dir.path()).is_err());
    }
    assert!(refused > 200, "{refused} of 300 were refused");
}

#[test]
fn a_mutant_of_a_manifest_is_read_or_refused() {
    let dir = fast_dir();
    drop(RunDir::open(dir.path(), manifest()).unwrap());
    let path = dir.path().join("manifest.json");
    let bytes = fs::read(&path).unwrap();
    let mut mutator = Mutator::new(21);
    for _ in 0..300 {
        fs::write(&path, mutator.mutant(&bytes)).unwrap();
        drop(RunDir::open(dir.path(), manifest()));
        drop(read(dir.path()));
        // A manifest that is none of this run is left as it is.
        assert!(path.exists());
    }
}
