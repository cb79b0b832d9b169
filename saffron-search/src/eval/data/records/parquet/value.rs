//! Values of parquet as JSON.

use parquet::record::{Field, Row};
use serde_json::Value;

use crate::eval::data::{DataErrorKind, Place};

/// What a column of a row takes besides its name and text.
const ENTRY: u64 = 128;

/// Bytes of memory that a row takes as JSON, about.
pub(super) fn size(row: &Row) -> u64 {
    let text = |field: &Field| match field {
        Field::Str(text) => text.len(),
        Field::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    row.get_column_iter().map(|(name, field)| ENTRY + (name.len() + text(field)) as u64).sum()
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
        _ => return Err(wrong_type(column, place, "a date, a decimal or a map")),
    })
}

pub(super) fn wrong_type(column: &str, place: Place, found: &str) -> DataErrorKind {
    DataErrorKind::WrongType {
        place,
        column: column.to_owned(),
        expected: "text, a number or a truth value",
        found: found.to_owned(),
    }
}
