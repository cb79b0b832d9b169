//! Beginning a run and taking it up again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::super::files::{self, Lock};
use super::super::lines::{self, Tail};
use super::super::{Key, Manifest, Record, RunError, Shard};
use super::{LOCK, Line, MANIFEST, RECORDS, RunDir, SUMMARY};

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
        let path = dir.join(RECORDS);
        let (file, done, tail) = load_records(&path, manifest.shard)?;
        if tail.torn > 0 {
            let cut = file.set_len(tail.last.end()).and_then(|()| file.sync_all());
            cut.map_err(RunError::io("cut off the torn last line of", &path))?;
        }
        Ok(Self { dir, manifest, file, done, last: tail.last, cut_off: tail.torn, torn: false, _lock: lock })
    }

    /// Reads the file anew, after it has been replaced.
    pub(super) fn reload(&mut self) -> Result<(), RunError> {
        let (file, done, tail) = load_records(&self.dir.join(RECORDS), self.manifest.shard)?;
        (self.file, self.done, self.last, self.torn) = (file, done, tail.last, false);
        Ok(())
    }
}

/// Compares the manifest with the run's, or writes it where there is none.
fn settle(dir: &Path, manifest: &Manifest) -> Result<(), RunError> {
    let path = dir.join(MANIFEST);
    match Manifest::read(&path)? {
        Some(in_run) => manifest.check_same(&in_run, &path),
        None if has_records(dir) => Err(RunError::NoManifest { path }),
        None => manifest.write(&path),
    }
}

fn has_records(dir: &Path) -> bool {
    fs::metadata(dir.join(RECORDS)).is_ok_and(|file| file.len() > 0)
}

fn load_records(path: &Path, shard: Shard) -> Result<(File, BTreeMap<Key, Line>, Tail), RunError> {
    let open = OpenOptions::new().read(true).append(true).create(true).open(path);
    let file = open.and_then(|file| files::sync_parent(path).map(|()| file)).map_err(RunError::io("open", path))?;
    let mut done = BTreeMap::<Key, Line>::new();
    let tail = lines::walk(path, &file, |record, span| {
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
    Ok((file, done, tail))
}

/// Refuses a record of a group that the shard does not own.
pub(super) fn check_owner(record: &Record, shard: Shard) -> Result<(), RunError> {
    if shard.owns(record.group) {
        return Ok(());
    }
    Err(RunError::OtherShard { key: record.key.clone(), group: record.group, shard })
}
