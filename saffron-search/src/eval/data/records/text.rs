//! Bare text: a value a line.

use std::io::BufRead;

use serde_json::json;

use super::{Each, Record};
use crate::eval::data::source::{Source, carried};
use crate::eval::data::{DataErrorKind, Place};

/// The lines that are not blank, without white space around them.
pub(super) fn lines(source: &Source, column: &str, each: Each<'_>) -> Result<(), DataErrorKind> {
    let (mut text, mut line, mut index) = (source.text(), String::new(), 0);
    for before in 0.. {
        line.clear();
        if text.read_line(&mut line).map_err(carried)? == 0 {
            break;
        }
        source.row_ended();
        let place = Place::Line(before + 1);
        source.check_rows(before, place)?;
        let value = line.trim();
        if value.is_empty() {
            continue;
        }
        if each(Record { index, place, value: json!({ column: value }), header: false })?.is_break() {
            break;
        }
        index += 1;
    }
    Ok(())
}
