//! Who works on a directory, and who writes a file.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::regular::check_unless_absent;
use super::{FileError, sync_parent};

/// A lock file, held. It is free again when this is dropped, or its process dies.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock; the file is made where there is none, and stays.
    ///
    /// # Errors
    ///
    /// A lock that somebody holds, a file that cannot be opened, anything but a file.
    pub fn take(path: &Path) -> Result<Self, FileError> {
        check_unless_absent("open", path)?;
        let open = OpenOptions::new().create(true).write(true).truncate(false).open(path);
        let file = open.map_err(FileError::io("open", path))?;
        try_lock(&file, path)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    /// Closing the file would not do while a child that is just being started has a copy of it.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// A file that this process alone may write: opened for reading and appending, and locked itself,
/// so that nobody gets in who removes a [`Lock`] beside it. It is free again when this is dropped,
/// or its process dies.
///
/// Only Unix locks it: elsewhere a locked file could not be read either, and the [`Lock`] has to
/// do.
#[derive(Debug)]
pub struct Claim {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl Claim {
    /// Opens the file, or makes an empty one, and locks it. Changes nothing in it.
    ///
    /// # Errors
    ///
    /// A file that somebody else has claimed, or that cannot be opened; anything but a file.
    pub fn take(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        check_unless_absent("open", &path)?;
        let open = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let open = open.and_then(|file| sync_parent(&path).map(|()| file));
        let file = open.map_err(FileError::io("open", &path))?;
        if cfg!(unix) {
            try_lock(&file, &path)?;
        }
        let claim = Self { path, file };
        // Whoever held the file may have put another in its place before letting it go.
        match claim.in_place() {
            Ok(true) => Ok(claim),
            Ok(false) => Err(FileError::Held { path: claim.path.clone() }),
            Err(error) => Err(FileError::io("open", &claim.path)(error)),
        }
    }

    /// Refuses a file that is no longer at its path: what is written to it would be lost.
    pub(super) fn check_in_place(&self) -> Result<(), FileError> {
        match self.in_place() {
            Ok(true) => Ok(()),
            Ok(false) => Err(FileError::Replaced { path: self.path.clone() }),
            Err(error) => Err(FileError::io("write", &self.path)(error)),
        }
    }

    fn in_place(&self) -> io::Result<bool> {
        let there = match fs::metadata(&self.path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(same_file(&self.file.metadata()?, &there))
    }
}

impl Drop for Claim {
    /// As [`Lock`] does.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn try_lock(file: &File, path: &Path) -> Result<(), FileError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(FileError::Held { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(FileError::io("lock", path)(error)),
    }
}

#[cfg(unix)]
fn same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same_file(_: &Metadata, _: &Metadata) -> bool {
    true
}
