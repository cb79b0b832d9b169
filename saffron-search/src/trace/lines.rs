//! Reading JSON lines. What is wrong with a line is said with its number.

use std::io::{self, BufRead};

use serde::de::DeserializeOwned;

use super::TraceEvent;

/// A line could not be read as what it should be. Lines count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The reader failed, or the line is no UTF-8.
    #[error("line {line} could not be read")]
    Read {
        /// The line's number.
        line: usize,
        /// Why.
        source: io::Error,
    },
    /// The line ends in the middle of a value: its writer was cut off.
    #[error("line {line} is torn")]
    Torn {
        /// The line's number.
        line: usize,
        /// Where it breaks off.
        source: serde_json::Error,
    },
    /// The line is something else.
    #[error("line {line} is no {expected}")]
    Foreign {
        /// The line's number.
        line: usize,
        /// What it should be.
        expected: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The line is in the wrong place, or the lines before it lack what it speaks of.
    #[error("line {line}: expected {expected}, found {found}")]
    Misplaced {
        /// The line's number; one more than there are when the lines end too early.
        line: usize,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// The events of a trace, line by line.
///
/// # Errors
///
/// Each item: the line is no event. Later lines can still be read, unless the reader itself failed.
pub fn events(reader: impl BufRead) -> impl Iterator<Item = Result<TraceEvent, TraceError>> {
    values(reader, "event of a trace").map(|line| line.map(|(_, event)| event))
}

/// Reads a whole trace back.
///
/// # Errors
///
/// The first line that is no event.
pub fn read(reader: impl BufRead) -> Result<Vec<TraceEvent>, TraceError> {
    events(reader).collect()
}

/// One value a line, with the line's number.
pub(super) fn values<T: DeserializeOwned>(
    reader: impl BufRead,
    expected: &'static str,
) -> impl Iterator<Item = Result<(usize, T), TraceError>> {
    let mut lines = (1..).zip(reader.lines());
    let mut failed = false;
    std::iter::from_fn(move || {
        let (line, text) = lines.next().filter(|_| !failed)?;
        // After text that is no UTF-8 the next line begins; after any other failure nothing does.
        failed = text.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::InvalidData);
        Some(text.map_err(|source| TraceError::Read { line, source }).and_then(|text| value(line, &text, expected)))
    })
}

fn value<T: DeserializeOwned>(line: usize, text: &str, expected: &'static str) -> Result<(usize, T), TraceError> {
    match serde_json::from_str(text) {
        Ok(value) => Ok((line, value)),
        Err(source) if source.is_eof() => Err(TraceError::Torn { line, source }),
        Err(source) => Err(TraceError::Foreign { line, expected, source }),
    }
}
