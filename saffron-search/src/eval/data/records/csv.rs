//! Comma-separated values under a line of column names.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::{Record, number};
use crate::eval::data::{DataErrorKind, Place};

/// Set behind the last record: a file that ends within a quoted field swallows it.
const END: &str = "\u{1}end of file";

/// The records under the header; all values are text.
pub(super) fn rows(text: &str) -> Result<Vec<Record>, DataErrorKind> {
    let mut records = parse(text)?.into_iter();
    let Some(header) = records.next() else { return Err(DataErrorKind::Empty) };
    check_header(&header)?;
    let records: Vec<StringRecord> = records.collect();
    check_lengths(&header, &records, text.ends_with(['\n', '\r']))?;
    Ok(number(records.iter().map(|record| (Place::Line(line(record)), object(&header, record)))))
}

fn parse(text: &str) -> Result<Vec<StringRecord>, DataErrorKind> {
    let marked = text.as_bytes().chain(&b"\n"[..]).chain(END.as_bytes());
    let mut reader = ReaderBuilder::new().flexible(true).has_headers(false).from_reader(marked);
    let records: Result<Vec<StringRecord>, csv::Error> = reader.records().collect();
    let mut records = records.map_err(|error| malformed(&error))?;
    match records.pop() {
        Some(end) if end.iter().eq([END]) => Ok(records),
        torn => Err(DataErrorKind::TornLine { line: torn.as_ref().map_or(1, line) }),
    }
}

fn malformed(error: &csv::Error) -> DataErrorKind {
    let line = error.position().map_or(1, |position| position.line() as usize);
    DataErrorKind::Malformed { place: Place::Line(line), reason: error.to_string() }
}

fn check_header(header: &StringRecord) -> Result<(), DataErrorKind> {
    let mut names: Vec<&str> = header.iter().collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let reason = format!("two columns are named `{}`", pair[0]);
            Err(DataErrorKind::Malformed { place: Place::Line(line(header)), reason })
        }
        None => Ok(()),
    }
}

/// A last record that is too short is cut off when nothing ends its line.
fn check_lengths(header: &StringRecord, records: &[StringRecord], ended: bool) -> Result<(), DataErrorKind> {
    let Some((index, record)) = records.iter().enumerate().find(|(_, record)| record.len() != header.len()) else {
        return Ok(());
    };
    let (line, expected, found) = (line(record), header.len(), record.len());
    match index + 1 == records.len() && !ended && found < expected {
        true => Err(DataErrorKind::TornLine { line }),
        false => Err(DataErrorKind::FieldCount { line, expected, found }),
    }
}

fn object(header: &StringRecord, record: &StringRecord) -> Value {
    let columns = header.iter().zip(record);
    Value::Object(columns.map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>())
}

fn line(record: &StringRecord) -> usize {
    record.position().map_or(1, |position| position.line() as usize)
}
