//! Beginning a run and taking it up again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::{Key, Manifest, Record, RunError, Shard};
use super::{LOCK, Line, MANIFEST, RECORDS, RunDir, SUMMARY};
use crate::eval::files::{self, Journal, Lock};

impl RunDir {
    /// Begins a run in a directory, or takes up the one that is there. A torn last line, of a process that died while
    /// it wrote, is cut off; all other records count as done.
    ///
    /// # Errors
    ///
    /// A manifest that holds what looks like a secret; a run with other settings, or of another shard; a run that
    /// another process holds; a broken line before others, a key twice; files that cannot be read or written.
    pub fn open(dir: impl Into<PathBuf>, manifest: Manifest) -> Result<Self, RunError> {
        let dir = dir.into();
        manifest.check_secrets()?;
        files::create_dir(&dir)?;
        let lock = Lock::take(&dir.join(LOCK))?;
        settle(&dir, &manifest)?;
        Self::load(dir, manifest, lock)
    }

    /// Takes up the run in a directory, whatever its settings.
    ///
    /// # Errors
    ///
    /// No run there; otherwise as [`open`](Self::open).
    pub fn existing(dir: impl Into<PathBuf>) -> Result<Self, RunError> {
        let dir = dir.into();
        let path = dir.join(MANIFEST);
        let manifest = Manifest::read(&path)?.ok_or(RunError::NoManifest { path })?;
        let lock = Lock::take(&dir.join(LOCK))?;
        Self::load(dir, manifest, lock)
    }

    fn load(dir: PathBuf, manifest: Manifest, lock: Lock) -> Result<Self, RunError> {
        for name in [MANIFEST, RECORDS, SUMMARY] {
            files::tidy(&dir.join(name))?;
        }
        let (journal, done) = load_records(&dir.join(RECORDS), manifest.shard)?;
        let cut_off = journal.cut_off();
        Ok(Self { dir, manifest, journal, done, cut_off, _lock: lock })
    }

    /// Reads the file anew, after it has been replaced.
    pub(super) fn reload(&mut self) -> Result<(), RunError> {
        (self.journal, self.done) = load_records(&self.dir.join(RECORDS), self.manifest.shard)?;
        Ok(())
    }
}

/// Compares the manifest with the run's, or writes it where there is none.
fn settle(dir: &Path, manifest: &Manifest) -> Result<(), RunError> {
    let path = dir.join(MANIFEST);
    if has_records(dir) && Manifest::read(&path)?.is_none() {
        return Err(RunError::NoManifest { path });
    }
    manifest.settle(&path)
}

fn has_records(dir: &Path) -> bool {
    fs::metadata(dir.join(RECORDS)).is_ok_and(|file| file.len() > 0)
}

fn load_records(path: &Path, shard: Shard) -> Result<(Journal<Record>, BTreeMap<Key, Line>), RunError> {
    let mut done = BTreeMap::<Key, Line>::new();
    let journal = Journal::open_with(path, |record: Record, span| {
        check_owner(&record, shard)?;
        let line = Line::of(&record, span);
        match done.insert(record.key.clone(), line) {
            Some(first) => {
                let path = path.to_owned();
                Err(RunError::Duplicate { path, key: record.key, first: first.span.line, line: span.line })
            }
            None => Ok(()),
        }
    })?;
    Ok((journal, done))
}

/// Refuses a record of a group that the shard does not own.
pub(super) fn check_owner(record: &Record, shard: Shard) -> Result<(), RunError> {
    if shard.owns(record.group) {
        return Ok(());
    }
    Err(RunError::OtherShard { key: record.key.clone(), group: record.group, shard })
}
