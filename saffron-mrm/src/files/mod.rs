//! Reads the files of a checkpoint, small ones whole and up to a limit, and says whether one is
//! there. Everything that reads a checkpoint goes through here: a file that is there by name and
//! cannot be read is an error, never absent.

pub(crate) mod small;

use std::fs::{self, File, FileType, Metadata};
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::LoadError;

/// The largest configuration or index. An index of 600 billion parameters takes 9 MB; a value of
/// JSON takes up to 37 times its bytes in memory.
pub(crate) const MAX_JSON: u64 = 16 << 20;
/// The largest `tokenizer.json`. Reading one takes some twenty times as much memory.
pub(crate) const MAX_TOKENIZER: u64 = 48 << 20;

/// How a Git LFS pointer begins. Git leaves one in place of a large file that was not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Whether a directory has an entry of this name. A link that leads nowhere is there: only opening
/// it fails. Below a file there is nothing.
pub(crate) fn is_there(path: &Path) -> Result<bool, LoadError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(LoadError::io(path)(error)),
    }
}

/// Opens a regular file, and its length. Links are followed. Anything else is refused before it is
/// opened: opening a FIFO would block. A Git LFS pointer is refused, too.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64), LoadError> {
    regular(path, &path.metadata().map_err(LoadError::io(path))?)?;
    let mut file = File::open(path).map_err(LoadError::io(path))?;
    // What is open now may be something else than what was there before.
    let found = file.metadata().map_err(LoadError::io(path))?;
    regular(path, &found)?;
    let mut begin = Vec::with_capacity(LFS_POINTER.len());
    file.by_ref().take(LFS_POINTER.len() as u64).read_to_end(&mut begin).map_err(LoadError::io(path))?;
    if begin == LFS_POINTER {
        return Err(LoadError::LfsPointer { path: path.to_path_buf() });
    }
    file.rewind().map_err(LoadError::io(path))?;
    Ok((file, found.len()))
}

fn regular(path: &Path, found: &Metadata) -> Result<(), LoadError> {
    match found.is_file() {
        true => Ok(()),
        false => Err(LoadError::NotAFile { path: path.to_path_buf(), found: kind_of(found.file_type()) }),
    }
}

/// What something that is no regular file is.
pub(crate) fn kind_of(kind: FileType) -> &'static str {
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

/// The bytes of a file of text, if it is at most `limit` long and does not begin like another
/// encoding than UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let bytes = read_capped(path, limit)?;
    match other_encoding(&bytes) {
        Some(found) => Err(LoadError::Encoding { path: path.to_path_buf(), found }),
        None => Ok(bytes),
    }
}

/// An encoding that text is in by its first bytes. Those of JSON and templates are never zeros.
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => Some("UTF-8 with a byte order mark"),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("UTF-16"),
        [0, 1..=255, ..] | [1..=255, 0, ..] => Some("UTF-16 without a byte order mark"),
        _ => None,
    }
}

/// Writes a file beside the path and puts it in the place of whatever is there: a reader sees the
/// old bytes or the new.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.partial"));
    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path)).map_err(LoadError::io(path))
}

/// A JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, LoadError> {
    serde_json::from_slice(&read_text(path, MAX_JSON)?).map_err(LoadError::json(path))
}

/// A JSON file that need not be there. One that is there and cannot be read is an error.
pub(crate) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LoadError> {
    if is_there(path)? { read_json(path).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::other_encoding;

    #[test]
    fn encodings_are_told_by_their_first_bytes() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let utf16_big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for text in ["{}", "", "{\"é\": 1}", "\0\0\0\0"] {
            assert_eq!(other_encoding(text.as_bytes()), None, "{text}");
        }
        assert_eq!(other_encoding("\u{feff}{}".as_bytes()), Some("UTF-8 with a byte order mark"));
        assert_eq!(other_encoding(&utf16("\u{feff}{}")), Some("UTF-16"));
        assert_eq!(other_encoding(&utf16_big("\u{feff}{}")), Some("UTF-16"));
        assert_eq!(other_encoding(&utf16("{}")), Some("UTF-16 without a byte order mark"));
        assert_eq!(other_encoding(&utf16_big("{}")), Some("UTF-16 without a byte order mark"));
        assert_eq!(other_encoding(&[0xFF, 0xFE, 0, 0, b'{', 0, 0, 0]), Some("UTF-32"));
    }
}
