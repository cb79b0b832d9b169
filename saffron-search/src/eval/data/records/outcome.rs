//! How the reading of one JSON value ended.

use std::io;
use std::ops::ControlFlow;

use crate::eval::data::{DataErrorKind, Place};

/// What whoever takes the rows has said, beside what the parser says.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    broken_off: bool,
    failure: Option<DataErrorKind>,
}

impl Outcome {
    /// Notes what was said of a row; an error where the parser is to stop.
    pub(crate) fn note(&mut self, said: Result<ControlFlow<()>, DataErrorKind>) -> Result<(), ()> {
        match said {
            Ok(ControlFlow::Continue(())) => return Ok(()),
            Ok(ControlFlow::Break(())) => self.broken_off = true,
            Err(kind) => self.failure = Some(kind),
        }
        Err(())
    }

    /// How it ended.
    pub(crate) fn of(self, read: Result<(), serde_json::Error>) -> Result<(), DataErrorKind> {
        match (self.failure, read) {
            (Some(failure), _) => Err(failure),
            (None, Err(error)) if !self.broken_off => Err(of_json(error)),
            _ => Ok(()),
        }
    }
}

/// What is wrong with a file that is one JSON value.
fn of_json(error: serde_json::Error) -> DataErrorKind {
    let line = error.line();
    match (error.is_io(), error.is_eof()) {
        (true, _) => super::super::source::carried(io::Error::from(error)),
        (_, true) => DataErrorKind::TornLine { line },
        _ => DataErrorKind::Malformed { place: Place::Line(line), reason: error.to_string() },
    }
}
