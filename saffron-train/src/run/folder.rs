//! Directories that are there whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use saffron_mrm::checkpoint::folder::{install, restore};
use saffron_search::eval::files::FileError;

use crate::error::TrainError;

/// Fills a directory beside `dir`, flushes it to disk, and puts it in the place of the one at
/// `dir`. At every moment the old directory or the new one is there, on systems that can exchange
/// them ([`saffron_mrm::checkpoint::folder`]).
pub(super) fn replace(dir: &Path, fill: impl FnOnce(&Path) -> Result<(), TrainError>) -> Result<(), TrainError> {
    let (beside, old) = (named(dir, "partial"), named(dir, "old"));
    remove(&beside)?;
    restore(dir).map_err(FileError::io("write", dir))?;
    remove(&old)?; // Left by an earlier version.
    let filled = fs::create_dir_all(&beside)
        .map_err(|error| FileError::io("create", &beside)(error).into())
        .and_then(|()| fill(&beside))
        .and_then(|()| install(&beside, dir).map_err(|error| FileError::io("write", dir)(error).into()));
    if filled.is_err() {
        let _ = fs::remove_dir_all(&beside); // The next attempt does it, too.
    }
    filled
}

/// Removes a directory, if it is there.
pub(super) fn remove(dir: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::io("remove", dir)(error).into()),
        _ => Ok(()),
    }
}

/// A hidden name beside the directory.
fn named(dir: &Path, what: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!(".{name}.{what}"))
}
