//! Bare text: a value a line.

use serde_json::json;

use super::{Record, number};
use crate::eval::data::Place;

/// The lines that are not blank, without white space around them.
pub(super) fn lines(text: &str, column: &str) -> Vec<Record> {
    let lines = text.lines().enumerate().map(|(line, text)| (Place::Line(line + 1), text.trim()));
    number(lines.filter(|(_, text)| !text.is_empty()).map(|(place, text)| (place, json!({ column: text }))))
}
