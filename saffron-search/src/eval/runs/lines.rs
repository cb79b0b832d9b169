//! Records as lines of a file.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{Ending, Record, RunError, secrets};

/// Where a line stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Its first byte.
    pub(super) start: u64,
    /// Bytes, the line break included.
    pub(super) length: u64,
    /// Its number, from 1.
    pub(super) line: u64,
}

impl Span {
    /// The first byte after it.
    pub(super) fn end(self) -> u64 {
        self.start + self.length
    }

    /// The line after it.
    pub(super) fn next(self, length: usize) -> Self {
        Self { start: self.end(), length: length as u64, line: self.line + 1 }
    }
}

/// How a file of records ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The last whole line.
    pub(super) last: Span,
    /// Bytes after it: of a line whose writing was cut short.
    pub(super) torn: u64,
}

/// Goes through the records of a file. A last line that is torn or no record is left out; one before others is an
/// error.
pub(super) fn walk(
    path: &Path,
    source: impl Read,
    mut each: impl FnMut(Record, Span) -> Result<(), RunError>,
) -> Result<Tail, RunError> {
    let (mut reader, mut bytes, mut last) = (BufReader::new(source), Vec::new(), Span::default());
    loop {
        bytes.clear();
        reader.read_until(b'\n', &mut bytes).map_err(RunError::io("read", path))?;
        let span = last.next(bytes.len());
        if !bytes.ends_with(b"\n") {
            return Ok(Tail { last, torn: span.length });
        }
        match serde_json::from_slice(&bytes) {
            Ok(record) => each(record, span)?,
            Err(_) if reader.fill_buf().map_err(RunError::io("read", path))?.is_empty() => {
                return Ok(Tail { last, torn: span.length });
            }
            Err(source) => return Err(RunError::Line { path: path.to_owned(), line: span.line, source }),
        }
        last = span;
    }
}

/// The line of a record, its line break included.
pub(super) fn encode(record: &Record) -> Result<Vec<u8>, RunError> {
    record.check_numbers()?;
    let failed = |source| RunError::Encode { what: "a record", source };
    let mut line = match &record.ending {
        Ending::Answered(_) => serde_json::to_vec(record),
        Ending::Failed { error } => {
            serde_json::to_vec(&Record { ending: Ending::Failed { error: secrets::blotted(error) }, ..record.clone() })
        }
    }
    .map_err(failed)?;
    line.push(b'\n');
    Ok(line)
}
