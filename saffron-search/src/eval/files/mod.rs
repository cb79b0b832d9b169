//! Files that outlive the process that writes them: replaced whole or not at all, grown record by record, held by one process at a time.
//!
//! | item | what it is for |
//! |---|---|
//! | [`replace`] | a file that is there whole or not at all: settings, summaries, checkpoints |
//! | [`Journal`] | records of one type, one JSON line each, that have reached the disk once they are appended |
//! | [`Lock`] | one process at a time |
//! | [`Claim`] | one process that writes a file, whatever happens to a lock beside it |
//! | [`open_regular`], [`read_capped`] | a file that is read, and nothing that only looks like one |

mod error;
mod journal;
mod lines;
mod lock;
mod regular;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub use error::FileError;
pub use journal::Journal;
pub use lines::Span;
pub use lock::{Claim, Lock};
pub use regular::{is_absent_or_empty, is_there, open_regular, read_capped};

/// The most bytes that a gzipped journal may have when it is unzipped: 2 GiB.
pub const MAX_FILE: u64 = 2 << 30;

/// The most bytes of a journal's line: 64 MiB.
pub const MAX_LINE: u64 = 64 << 20;

/// Writes a file beside `path`, has it reach the disk, and puts it in the place of whatever is at `path`. After a kill or an error there
/// is the old file or the new one.
///
/// ```
/// use std::io::Write;
/// use saffron_search::eval::files::replace;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("summary.json");
/// replace(&path, |file| file.write_all(b"{}"))?;
/// assert_eq!(std::fs::read(&path)?, b"{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// What `fill` or the file system says.
pub fn replace(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), FileError> {
    let beside = beside(path);
    let written = write_whole(&beside, fill).and_then(|()| fs::rename(&beside, path)).and_then(|()| sync_parent(path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside); // It may never have been there.
        FileError::io("write", path)(error)
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".partial");
    path.with_file_name(name)
}

fn write_whole(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    // What a kill has left there, or somebody has put there: a FIFO would block.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut writer = BufWriter::new(File::create_new(path)?);
    fill(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()
}

/// Has the names in the directory of `path` reach the disk. Only Unix opens directories for that.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if cfg!(unix) && dir.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(dir) if cfg!(unix) => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

/// Creates a directory where there is none.
///
/// # Errors
///
/// What the file system says.
pub fn create_dir(dir: &Path) -> Result<(), FileError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).and_then(|()| sync_parent(dir)).map_err(FileError::io("create", dir))
}

/// Removes what a kill in the midst of [`replace`] has left beside `path`.
///
/// # Errors
///
/// What the file system says, unless nothing was left.
pub fn tidy(path: &Path) -> Result<(), FileError> {
    let beside = beside(path);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::io("remove", &beside)(error)),
        _ => Ok(()),
    }
}
