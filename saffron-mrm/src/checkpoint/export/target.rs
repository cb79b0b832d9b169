//! A directory that appears whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::LoadError;

/// A folder beside the directory that it will become. Dropped before that, it is removed.
pub(super) struct Target {
    dir: PathBuf,
    partial: PathBuf,
}

impl Target {
    /// Makes the folder. Refuses a directory that holds something.
    pub(super) fn new(dir: &Path) -> Result<Self, LoadError> {
        let absolute = std::path::absolute(dir).map_err(LoadError::io(dir))?;
        let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(LoadError::field(dir, "the target", "the path of a new directory", "one without a name"));
        };
        refuse_occupied(dir)?;
        fs::create_dir_all(parent).map_err(LoadError::io(parent))?;
        // The process's number keeps two conversions at once apart.
        let partial = parent.join(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
        fs::create_dir(&partial).map_err(LoadError::io(&partial))?;
        Ok(Self { dir: absolute, partial })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.partial
    }

    /// Writes a file by its relative name.
    pub(super) fn write(&self, name: &Path, bytes: &[u8]) -> Result<(), LoadError> {
        let path = self.partial.join(name);
        let folder = path.parent().unwrap_or(&self.partial);
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes)).map_err(LoadError::io(&path))
    }

    /// Puts the folder in its place.
    pub(super) fn finish(self) -> Result<(), LoadError> {
        if self.dir.exists() {
            // Fails where something has been put into it meanwhile.
            fs::remove_dir(&self.dir).map_err(LoadError::io(&self.dir))?;
        }
        fs::rename(&self.partial, &self.dir).map_err(LoadError::io(&self.dir))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Not there any more once it has been renamed.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

fn refuse_occupied(dir: &Path) -> Result<(), LoadError> {
    let refuse = |found| Err(LoadError::field(dir, "the target", "a new or an empty directory", found));
    if dir.is_dir() {
        let mut entries = fs::read_dir(dir).map_err(LoadError::io(dir))?;
        return if entries.next().is_some() { refuse("one that is not empty") } else { Ok(()) };
    }
    if fs::symlink_metadata(dir).is_ok() { refuse("a file") } else { Ok(()) }
}
