//! JSON: a value a line, or one array.

use serde_json::Value;

use super::{Record, number};
use crate::eval::data::{DataErrorKind, Place};

/// One value a line; blank lines are skipped.
pub(super) fn lines(text: &str) -> Result<Vec<Record>, DataErrorKind> {
    let lines = text.split_inclusive('\n').enumerate().filter(|(_, line)| !line.trim().is_empty());
    let values: Result<Vec<_>, _> =
        lines.map(|(index, line)| Ok((Place::Line(index + 1), value(line, index)?))).collect();
    Ok(number(values?.into_iter()))
}

fn value(line: &str, index: usize) -> Result<Value, DataErrorKind> {
    serde_json::from_str(line).map_err(|error| match line.ends_with('\n') {
        true => DataErrorKind::Malformed { place: Place::Line(index + 1), reason: error.to_string() },
        false => DataErrorKind::TornLine { line: index + 1 },
    })
}

/// The elements of an array.
pub(super) fn array(text: &str) -> Result<Vec<Record>, DataErrorKind> {
    let values: Vec<Value> = serde_json::from_str(text).map_err(|error| whole(&error))?;
    Ok(number(values.into_iter().enumerate().map(|(row, value)| (Place::Row(row + 1), value))))
}

/// What is wrong with a file that is one JSON value.
pub(crate) fn whole(error: &serde_json::Error) -> DataErrorKind {
    match error.is_eof() {
        true => DataErrorKind::TornLine { line: error.line() },
        false => DataErrorKind::Malformed { place: Place::Line(error.line()), reason: error.to_string() },
    }
}
