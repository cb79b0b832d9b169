//! Opening regular files, and nothing else.
//!
//! A file that is there by name and cannot be read is an error, never absent. What is no regular
//! file is refused before it is opened: opening a FIFO would block.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::FileError;
use crate::regular::{NotOpened, check, opened};

/// Opens a regular file for reading.
///
/// # Errors
///
/// What the file system says; a directory, a device, a FIFO, a link that leads nowhere.
pub fn open_regular(path: &Path) -> Result<File, FileError> {
    opened(path).map_err(|error| error.of("read", path))
}

/// Whether a directory has an entry of this name. A link that leads nowhere is one.
///
/// # Errors
///
/// What the file system says.
pub fn is_there(path: &Path) -> Result<bool, FileError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::io("read", path)(error)),
    }
}

/// Whether there is no file of this name, or one without a byte.
///
/// # Errors
///
/// As [`open_regular`], where there is something.
pub fn is_absent_or_empty(path: &Path) -> Result<bool, FileError> {
    if !is_there(path)? {
        return Ok(true);
    }
    let file = open_regular(path)?;
    Ok(file.metadata().map_err(FileError::io("read", path))?.len() == 0)
}

/// The bytes of a regular file.
///
/// # Errors
///
/// As [`open_regular`], and a file of more than `limit` bytes.
pub fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let file = open_regular(path)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::io("read", path))?;
    match bytes.len() as u64 > limit {
        true => Err(FileError::TooLarge { path: path.to_owned(), limit }),
        false => Ok(bytes),
    }
}

/// Refuses what is there and is no regular file; nothing at all is fine.
pub(super) fn check_unless_absent(action: &'static str, path: &Path) -> Result<(), FileError> {
    if is_there(path)? { check(path).map_err(|error| error.of(action, path)) } else { Ok(()) }
}

impl NotOpened {
    fn of(self, action: &'static str, path: &Path) -> FileError {
        match self {
            Self::Io(error) => FileError::io(action, path)(error),
            Self::NotAFile(found) => FileError::NotAFile { path: path.to_owned(), found },
        }
    }
}
