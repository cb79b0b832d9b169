//! Who works on a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::FileError;

/// A lock file, held. It is free again when this is dropped, or its process dies.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock; the file is made where there is none, and stays.
    ///
    /// # Errors
    ///
    /// A lock that somebody holds, a file that cannot be opened.
    pub fn take(path: &Path) -> Result<Self, FileError> {
        let open = OpenOptions::new().create(true).write(true).truncate(false).open(path);
        let file = open.map_err(FileError::io("open", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(FileError::Held { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(FileError::io("lock", path)(error)),
        }
    }
}

impl Drop for Lock {
    /// Closing the file would not do while a child that is just being started has a copy of it.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
