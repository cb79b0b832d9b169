//! Values of parquet as JSON.

use parquet::record::{Field, List, Map, Row};
use serde_json::Value;

use crate::eval::data::{DataErrorKind, Place};

/// What a value takes besides its name and text.
const ENTRY: u64 = 128;

/// Bytes of memory that a row takes as JSON, about.
pub(super) fn size(row: &Row) -> u64 {
    row.get_column_iter().map(|(name, field)| name.len() as u64 + size_of_field(field)).sum()
}

fn size_of_field(field: &Field) -> u64 {
    let inner = match field {
        Field::Str(text) => text.len() as u64,
        Field::Bytes(bytes) => bytes.len() as u64,
        Field::Group(row) => size(row),
        Field::ListInternal(list) => list.elements().iter().map(size_of_field).sum(),
        Field::MapInternal(map) => {
            map.entries().iter().map(|(key, value)| size_of_field(key) + size_of_field(value)).sum()
        }
        _ => 0,
    };
    ENTRY + inner
}

/// A row as an object.
pub(super) fn object(row: &Row, place: Place) -> Result<Value, DataErrorKind> {
    row.get_column_iter().map(|(name, field)| Ok((name.clone(), value(field, name, place)?))).collect()
}

/// What JSON has a type for; text without an annotation is text if it is UTF-8.
fn value(field: &Field, column: &str, place: Place) -> Result<Value, DataErrorKind> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => Value::from(*truth),
        Field::Byte(number) => Value::from(*number),
        Field::Short(number) => Value::from(*number),
        Field::Int(number) => Value::from(*number),
        Field::Long(number) => Value::from(*number),
        Field::UByte(number) => Value::from(*number),
        Field::UShort(number) => Value::from(*number),
        Field::UInt(number) => Value::from(*number),
        Field::ULong(number) => Value::from(*number),
        Field::Float(number) => Value::from(*number),
        Field::Double(number) => Value::from(*number),
        Field::Str(text) => Value::from(text.as_str()),
        Field::Bytes(bytes) => {
            Value::from(bytes.as_utf8().map_err(|_| wrong_type(column, place, "bytes that are not UTF-8"))?)
        }
        Field::Group(row) => object(row, place)?,
        Field::ListInternal(list) => elements(list, column, place)?,
        Field::MapInternal(map) => entries(map, column, place)?,
        _ => return Err(wrong_type(column, place, "a date or a decimal")),
    })
}

fn elements(list: &List, column: &str, place: Place) -> Result<Value, DataErrorKind> {
    list.elements().iter().map(|element| value(element, column, place)).collect()
}

fn entries(map: &Map, column: &str, place: Place) -> Result<Value, DataErrorKind> {
    let entries = map.entries().iter().map(|(key, entry)| match key {
        Field::Str(key) => Ok((key.clone(), value(entry, column, place)?)),
        _ => Err(wrong_type(column, place, "a map whose keys are no text")),
    });
    entries.collect()
}

pub(super) fn wrong_type(column: &str, place: Place, found: &str) -> DataErrorKind {
    DataErrorKind::WrongType {
        place,
        column: column.to_owned(),
        expected: "what JSON has a type for",
        found: found.to_owned(),
    }
}
