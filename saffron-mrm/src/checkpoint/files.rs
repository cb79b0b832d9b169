//! Files of a checkpoint: whether they are there, and small ones read whole and with a cap.

use std::fs::{self, File, FileType};
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::LoadError;

/// Configurations and indexes are kilobytes; tokenizers tens of megabytes.
pub(crate) const MAX_JSON: u64 = 256 << 20;

/// How a Git LFS pointer begins. Git leaves one in place of a large file that was not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Whether a directory has an entry of this name. A link that leads nowhere is there: only opening
/// it fails.
pub(crate) fn is_there(path: &Path) -> Result<bool, LoadError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LoadError::io(path)(error)),
    }
}

/// Opens a regular file, and its length. Anything else is refused before it is opened: opening a
/// FIFO would block. A Git LFS pointer is refused, too.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64), LoadError> {
    let found = path.metadata().map_err(LoadError::io(path))?;
    if !found.is_file() {
        return Err(LoadError::NotAFile { path: path.to_path_buf(), found: kind_of(found.file_type()) });
    }
    let mut file = File::open(path).map_err(LoadError::io(path))?;
    let mut begin = Vec::with_capacity(LFS_POINTER.len());
    file.by_ref().take(LFS_POINTER.len() as u64).read_to_end(&mut begin).map_err(LoadError::io(path))?;
    if begin == LFS_POINTER {
        return Err(LoadError::LfsPointer { path: path.to_path_buf() });
    }
    file.rewind().map_err(LoadError::io(path))?;
    Ok((file, found.len()))
}

fn kind_of(kind: FileType) -> &'static str {
    if kind.is_dir() { "a directory" } else { "a device, pipe or socket" }
}

/// A file's bytes, if it is at most `limit` long.
pub(crate) fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let (file, found) = open_regular(path)?;
    if found > limit {
        return Err(LoadError::TooLarge { path: path.to_path_buf(), found, limit });
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(LoadError::io(path))?;
    Ok(bytes)
}

/// Writes a file beside the path and puts it in the place of whatever is there: a reader sees the old bytes or the new.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.partial"));
    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path)).map_err(LoadError::io(path))
}

/// A JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, LoadError> {
    serde_json::from_slice(&read_capped(path, MAX_JSON)?).map_err(LoadError::json(path))
}

/// A JSON file that need not be there. One that is there and cannot be read is an error.
pub(crate) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LoadError> {
    if is_there(path)? { read_json(path).map(Some) } else { Ok(None) }
}
