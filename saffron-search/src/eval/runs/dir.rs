//! The directory of a run.

mod finish;
mod open;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::plan::Entry;
use super::{Arm, Key, Manifest, Plan, Record, RunError};
use crate::eval::files::{self, Journal, Span};

pub(super) const MANIFEST: &str = "manifest.json";
const RECORDS: &str = "records.jsonl";
const ZIPPED: &str = "records.jsonl.gz";
const SUMMARY: &str = "summary.json";
const LOCK: &str = "lock";

/// A run that this process holds: what is done, and a place to write what is not. Dropping it lets the run go.
#[derive(Debug)]
pub struct RunDir {
    dir: PathBuf,
    manifest: Manifest,
    journal: Journal<Record>,
    done: BTreeMap<Key, Line>,
    cut_off: u64,
    _lock: files::Lock,
}

/// What is known of a record that has been written.
#[derive(Clone, Debug)]
struct Line {
    entry: Entry,
    failed: bool,
    span: Span,
}

impl Line {
    fn of(record: &Record, span: Span) -> Self {
        Self { entry: Entry::of(record), failed: record.answer().is_none(), span }
    }
}

/// The manifest and records of a run, in the order of the file; of one that was put away with its records zipped (`records.jsonl.gz`), too.
/// Neither takes nor changes anything, so that it may be called while a process works on the run; a record that is just being written is left
/// out.
///
/// # Errors
///
/// No run there, files that cannot be read, a broken line before others.
pub fn read(dir: &Path) -> Result<(Manifest, Vec<Record>), RunError> {
    let manifest = Manifest::existing(dir)?;
    let (plain, zipped) = (dir.join(RECORDS), dir.join(ZIPPED));
    let records = if files::is_there(&plain)? {
        Journal::read(&plain)?
    } else if files::is_there(&zipped)? {
        Journal::read_gzipped(&zipped)?
    } else {
        Vec::new()
    };
    Ok((manifest, records))
}

/// Writes a `summary.json` into a directory, whole or not at all.
///
/// # Errors
///
/// A failed write, a value that JSON cannot hold.
pub fn write_summary(dir: &Path, summary: &impl Serialize) -> Result<(), RunError> {
    let encoded = serde_json::to_vec_pretty(summary);
    let text = encoded.map_err(|source| RunError::Encode { what: "the summary", source })?;
    let path = dir.join(SUMMARY);
    Ok(files::replace(&path, |file| file.write_all(&text).and_then(|()| file.write_all(b"\n")))?)
}

impl RunDir {
    /// With what the run was begun.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether there is a record of the key.
    #[must_use]
    pub fn done(&self, key: &Key) -> bool {
        self.done.contains_key(key)
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether there is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// Bytes of a torn last line that were cut off when the run was opened; 0 after a run that ended in good order.
    #[must_use]
    pub fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// What this shard of the plan has still to do, in order.
    #[must_use]
    pub fn pending(&self, plan: &Plan) -> Vec<Key> {
        plan.keys(self.manifest.shard).filter(|key| !self.done(key)).collect()
    }

    /// The groups of this shard of which an arm has still to do something: the number of each, and the places of its
    /// prompts. To have the same batches as an unbroken run, run a group whole and write the records that are not there
    /// yet.
    #[must_use]
    pub fn pending_groups(&self, plan: &Plan, arm: &Arm) -> Vec<(usize, Range<usize>)> {
        let open = |places: &Range<usize>| plan.prompts()[places.clone()].iter().any(|id| !self.done(&arm.key(id)));
        plan.groups(self.manifest.shard).filter(|(_, places)| open(places)).collect()
    }

    /// Writes a record. When this returns, the record has reached the disk.
    ///
    /// # Errors
    ///
    /// A key that has a record, a group of another shard, a number that is not finite, or a failed write. After an
    /// error nothing of the record is in the file, or will be once the run is opened again; other records are as they
    /// were.
    pub fn append(&mut self, record: &Record) -> Result<(), RunError> {
        if self.done(&record.key) {
            return Err(RunError::AlreadyThere { key: record.key.clone() });
        }
        open::check_owner(record, self.manifest.shard)?;
        record.check_numbers()?;
        let span = self.journal.append(&record.without_credentials())?;
        self.done.insert(record.key.clone(), Line::of(record, span));
        Ok(())
    }

    /// All records in the order of the file, as they read back.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or has been changed by somebody else.
    pub fn records(&self) -> Result<Vec<Record>, RunError> {
        Ok(self.journal.records()?)
    }

    /// Writes `summary.json`, whole or not at all.
    ///
    /// # Errors
    ///
    /// A failed write, a value that JSON cannot hold.
    pub fn write_summary(&self, summary: &impl Serialize) -> Result<(), RunError> {
        write_summary(&self.dir, summary)
    }
}
