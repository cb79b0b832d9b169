//! Files that are there whole or not at all, and the lock.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::RunError;

/// Writes a file beside `path`, has it reach the disk, and puts it in the place of whatever is at `path`.
pub(super) fn replace(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), RunError> {
    let beside = beside(path);
    let written = write_whole(&beside, fill).and_then(|()| fs::rename(&beside, path)).and_then(|()| sync_parent(path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside); // It may never have been there.
        RunError::io("write", path)(error)
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".partial");
    path.with_file_name(name)
}

fn write_whole(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(path)?);
    fill(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()
}

/// Has the names in the directory of `path` reach the disk. Only Unix opens directories for that.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if cfg!(unix) && dir.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(dir) if cfg!(unix) => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

/// Creates the directory of a run, where there is none.
pub(super) fn create_dir(dir: &Path) -> Result<(), RunError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).and_then(|()| sync_parent(dir)).map_err(RunError::io("create", dir))
}

/// Removes what a kill in the midst of [`replace`] has left.
pub(super) fn tidy(path: &Path) -> Result<(), RunError> {
    let beside = beside(path);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunError::io("remove", &beside)(error)),
        _ => Ok(()),
    }
}

/// The lock file of a run, held.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock. It is free again when this is dropped, or its process dies.
    pub(super) fn take(path: &Path) -> Result<Self, RunError> {
        let open = OpenOptions::new().create(true).write(true).truncate(false).open(path);
        let file = open.map_err(RunError::io("open", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(RunError::Held { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(RunError::io("lock", path)(error)),
        }
    }
}

impl Drop for Lock {
    /// Closing the file would not do while a child that is just being started has a copy of it.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
