//! A file's bytes, unzipped, and what kind of file it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{DataErrorKind, Origin};

/// The bytes that [`read`](super::read) takes in at most: 2 GiB.
pub const MAX_BYTES: u64 = 2 << 30;

/// How a file keeps its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    JsonLines,
    Json,
    Csv,
    Text,
    Parquet,
}

/// A file, read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) container: Container,
    pub(crate) bytes: Vec<u8>,
    /// The most bytes that its rows may take.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only parquet unzips after the file is read"))]
    pub(crate) limit: u64,
    crc32: u32,
}

impl Source {
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Self, DataErrorKind> {
        let (container, zipped) = container(path)?;
        let stored = read_capped(File::open(path).map_err(DataErrorKind::Io)?, limit, DataErrorKind::Io)?;
        let crc32 = crc32fast::hash(&stored);
        let bytes = match zipped {
            true => read_capped(MultiGzDecoder::new(stored.as_slice()), limit, DataErrorKind::Gzip)?,
            false => stored,
        };
        Ok(Self { path: path.to_owned(), container, bytes, limit, crc32 })
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin { path: self.path.clone(), crc32: self.crc32 }
    }

    /// The file as text, without a byte order mark.
    pub(crate) fn text(&self) -> Result<&str, DataErrorKind> {
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let offset = error.valid_up_to();
            let line = 1 + self.bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
            match error.error_len() {
                Some(_) => DataErrorKind::BadUtf8 { line, offset },
                None => DataErrorKind::TornLine { line },
            }
        })?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

fn read_capped(
    reader: impl Read,
    limit: u64,
    failure: fn(io::Error) -> DataErrorKind,
) -> Result<Vec<u8>, DataErrorKind> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failure)?;
    match bytes.len() as u64 > limit {
        true => Err(DataErrorKind::TooLarge { limit }),
        false => Ok(bytes),
    }
}

/// What the name says: the container, and whether it is zipped.
fn container(path: &Path) -> Result<(Container, bool), DataErrorKind> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let (name, zipped) = match name.strip_suffix(".gz") {
        Some(inner) => (inner, true),
        None => (name.as_str(), false),
    };
    let container = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("jsonl" | "ndjson") => Container::JsonLines,
        Some("json") => Container::Json,
        Some("csv") => Container::Csv,
        Some("txt") => Container::Text,
        Some("parquet") if !zipped => Container::Parquet,
        _ => return Err(DataErrorKind::UnknownExtension),
    };
    Ok((container, zipped))
}
