//! The directory of a run.

mod finish;
mod open;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::lines::{self, Span};
use super::plan::Entry;
use super::{Arm, Key, Manifest, Plan, Record, RunError, files};

const MANIFEST: &str = "manifest.json";
const RECORDS: &str = "records.jsonl";
const SUMMARY: &str = "summary.json";
const LOCK: &str = "lock";

/// A run that this process holds: what is done, and a place to write what is not. Dropping it lets the run go.
#[derive(Debug)]
pub struct RunDir {
    dir: PathBuf,
    manifest: Manifest,
    file: File,
    done: BTreeMap<Key, Line>,
    last: Span,
    cut_off: u64,
    torn: bool,
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

/// The manifest and records of a run, in the order of the file. Neither takes nor changes anything, so that it may be
/// called while a process works on the run; a record that is just being written is left out.
///
/// # Errors
///
/// No run there, files that cannot be read, a broken line before others.
pub fn read(dir: &Path) -> Result<(Manifest, Vec<Record>), RunError> {
    let path = dir.join(MANIFEST);
    let manifest = Manifest::read(&path)?.ok_or(RunError::NoManifest { path })?;
    let path = dir.join(RECORDS);
    match File::open(&path) {
        Ok(file) => Ok((manifest, collect(&path, file)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((manifest, Vec::new())),
        Err(error) => Err(RunError::io("read", &path)(error)),
    }
}

fn collect(path: &Path, source: impl Read) -> Result<Vec<Record>, RunError> {
    let mut records = Vec::new();
    lines::walk(path, source, |record, _| {
        records.push(record);
        Ok(())
    })?;
    Ok(records)
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
        let line = lines::encode(record)?;
        self.write(&line).map_err(RunError::io("write", &self.dir.join(RECORDS)))?;
        self.last = self.last.next(line.len());
        self.done.insert(record.key.clone(), Line::of(record, self.last));
        Ok(())
    }

    /// One write of the whole line, which is taken back when it fails.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.take_back()?;
        }
        let written = self.file.write_all(line).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.torn = true;
            let _ = self.take_back(); // Tried again before the next write, and when the run is opened.
        }
        written
    }

    /// Cuts the file after its last whole line.
    fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.last.end())?;
        self.torn = false;
        Ok(())
    }

    /// All records in the order of the file, as they read back.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or has been changed by somebody else.
    pub fn records(&self) -> Result<Vec<Record>, RunError> {
        let path = self.dir.join(RECORDS);
        let file = File::open(&path).map_err(RunError::io("read", &path))?;
        collect(&path, file.take(self.last.end()))
    }

    /// Writes `summary.json`, whole or not at all.
    ///
    /// # Errors
    ///
    /// A failed write, a value that JSON cannot hold.
    pub fn write_summary(&self, summary: &impl Serialize) -> Result<(), RunError> {
        let encoded = serde_json::to_vec_pretty(summary);
        let text = encoded.map_err(|source| RunError::Encode { what: "the summary", source })?;
        files::replace(&self.dir.join(SUMMARY), |file| file.write_all(&text).and_then(|()| file.write_all(b"\n")))
    }
}
