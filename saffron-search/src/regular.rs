//! Opening regular files, and nothing else: opening a FIFO would block.

use std::fs::{self, File, FileType};
use std::io;
use std::path::Path;

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// The operating system refused.
    Io(io::Error),
    /// Something else is there.
    NotAFile(&'static str),
}

/// Opens a regular file. Anything else is refused before it is opened.
pub(crate) fn opened(path: &Path) -> Result<File, NotOpened> {
    check(path)?;
    let file = File::open(path).map_err(NotOpened::Io)?;
    // Somebody may have put something else there since.
    of_type(file.metadata().map_err(NotOpened::Io)?.file_type())?;
    Ok(file)
}

/// Refuses what is no regular file.
pub(crate) fn check(path: &Path) -> Result<(), NotOpened> {
    match fs::metadata(path) {
        Ok(found) => of_type(found.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            Err(NotOpened::NotAFile("a link that leads nowhere"))
        }
        Err(error) => Err(NotOpened::Io(error)),
    }
}

fn of_type(found: FileType) -> Result<(), NotOpened> {
    match (found.is_file(), found.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(NotOpened::NotAFile("a directory")),
        _ => Err(NotOpened::NotAFile("a device, pipe or socket")),
    }
}
