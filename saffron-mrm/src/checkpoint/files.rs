//! Small files, read whole and with a cap.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::LoadError;

/// Configurations and indexes are kilobytes; tokenizers tens of megabytes.
const MAX_JSON: u64 = 256 << 20;

/// A file's bytes, if it is at most `limit` long.
pub(crate) fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let file = File::open(path).map_err(LoadError::io(path))?;
    let found = file.metadata().map_err(LoadError::io(path))?.len();
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

/// A JSON file that need not be there.
pub(crate) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LoadError> {
    if path.is_file() { read_json(path).map(Some) } else { Ok(None) }
}
