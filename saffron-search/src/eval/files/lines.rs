//! Records as lines of a file.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FileError, MAX_LINE};

/// Where a line stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u64,
    /// Bytes, the line break included.
    pub length: u64,
    /// Its number, from 1.
    pub line: u64,
}

impl Span {
    /// The first byte after it.
    #[must_use]
    pub fn end(self) -> u64 {
        self.start + self.length
    }

    /// The line after it.
    pub(super) fn next(self, length: usize) -> Self {
        Self { start: self.end(), length: length as u64, line: self.line + 1 }
    }
}

/// Goes through the records of a file. A torn last line is left out, and its bytes counted. Any
/// other line that is no record is an error: a last one that ends whole was written on purpose, by
/// another version.
pub(super) fn walk<T: DeserializeOwned, E: From<FileError>>(
    path: &Path,
    source: impl Read,
    mut each: impl FnMut(T, Span) -> Result<(), E>,
) -> Result<u64, E> {
    let (mut reader, mut bytes, mut last) = (BufReader::new(source), Vec::new(), Span::default());
    loop {
        bytes.clear();
        let mut line = reader.by_ref().take(MAX_LINE + 1);
        line.read_until(b'\n', &mut bytes).map_err(FileError::io("read", path))?;
        let span = last.next(bytes.len());
        if bytes.len() as u64 > MAX_LINE {
            return Err(FileError::LongLine { path: path.to_owned(), line: span.line, limit: MAX_LINE }.into());
        }
        if !bytes.ends_with(b"\n") {
            return Ok(span.length);
        }
        match serde_json::from_slice(&bytes) {
            Ok(record) => each(record, span)?,
            // JSON has no such byte: a power cut kept the end of the line and lost its beginning.
            Err(_) if bytes.contains(&0) && is_last(&mut reader, path)? => return Ok(span.length),
            Err(source) => Err(FileError::Line { path: path.to_owned(), line: span.line, source })?,
        }
        last = span;
    }
}

fn is_last(reader: &mut impl BufRead, path: &Path) -> Result<bool, FileError> {
    Ok(reader.fill_buf().map_err(FileError::io("read", path))?.is_empty())
}

/// The line of a record, its line break included, if it reads back.
pub(super) fn encode<T: Serialize + DeserializeOwned>(record: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(record)?;
    serde_json::from_slice::<T>(&line)?;
    line.push(b'\n');
    Ok(line)
}
