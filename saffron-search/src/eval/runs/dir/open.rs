//! Beginning a run and taking it up again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::{Key, Manifest, Record, RunError, Shard};
use super::{LOCK, Line, MANIFEST, RECORDS, RunDir, SUMMARY, ZIPPED};
use crate::eval::files::{self, Claim, Journal, Lock};

impl RunDir {
    /// Begins a run in a directory, or takes up the one that is there. A torn last line, of a process that died while
    /// it wrote, is cut off; all other records count as done.
    ///
    /// # Errors
    ///
    /// A manifest that holds what looks like a secret; a run with other settings, or of another
    /// shard; a run that another process holds; a line that is no record, a key twice; files that
    /// cannot be read or written.
    pub fn open(dir: impl Into<PathBuf>, manifest: Manifest) -> Result<Self, RunError> {
        let dir = dir.into();
        let path = dir.join(MANIFEST);
        manifest.check_secrets()?;
        files::create_dir(&dir)?;
        check_not_zipped(&dir)?;
        let lock = Lock::take(&dir.join(LOCK))?;
        if has_records(&dir)? && Manifest::read(&path)?.is_none() {
            return Err(RunError::NoManifest { path });
        }
        manifest.check(&path)?;
        // From here on nobody else writes, even if the lock is removed.
        let claim = Claim::take(dir.join(RECORDS))?;
        manifest.settle(&path)?;
        Self::load(dir, manifest, lock, claim)
    }

    /// Takes up the run in a directory, whatever its settings.
    ///
    /// # Errors
    ///
    /// No run there; otherwise as [`open`](Self::open).
    pub fn existing(dir: impl Into<PathBuf>) -> Result<Self, RunError> {
        let dir = dir.into();
        let manifest = Manifest::existing(&dir)?;
        check_not_zipped(&dir)?;
        let lock = Lock::take(&dir.join(LOCK))?;
        let claim = Claim::take(dir.join(RECORDS))?;
        Self::load(dir, manifest, lock, claim)
    }

    fn load(dir: PathBuf, manifest: Manifest, lock: Lock, claim: Claim) -> Result<Self, RunError> {
        for name in [MANIFEST, RECORDS, SUMMARY] {
            files::tidy(&dir.join(name))?;
        }
        let (journal, done) = load_records(claim, &dir.join(RECORDS), manifest.shard)?;
        let cut_off = journal.cut_off();
        Ok(Self { dir, manifest, journal, done, cut_off, _lock: lock })
    }

    /// Reads the file anew, after it has been replaced.
    pub(super) fn reload(&mut self) -> Result<(), RunError> {
        let path = self.dir.join(RECORDS);
        (self.journal, self.done) = load_records(Claim::take(&path)?, &path, self.manifest.shard)?;
        Ok(())
    }
}

/// Nothing is written beside zipped records: they would no longer be found.
fn check_not_zipped(dir: &Path) -> Result<(), RunError> {
    let path = dir.join(ZIPPED);
    match files::is_there(&path)? && !files::is_there(&dir.join(RECORDS))? {
        true => Err(RunError::Zipped { path }),
        false => Ok(()),
    }
}

fn has_records(dir: &Path) -> Result<bool, RunError> {
    Ok(!files::is_absent_or_empty(&dir.join(RECORDS))?)
}

type Loaded = (Journal<Record>, BTreeMap<Key, Line>);

fn load_records(claim: Claim, path: &Path, shard: Shard) -> Result<Loaded, RunError> {
    let mut done = BTreeMap::<Key, Line>::new();
    let journal = Journal::open_claimed(claim, |record: Record, span| {
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
