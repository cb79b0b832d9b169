//! Rows of parquet files.

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use super::{Record, number};
use crate::eval::data::{DataErrorKind, Place, Source};

/// All rows; the sizes that the file states are held against the limit before any is unzipped.
pub(super) fn rows(source: &Source) -> Result<Vec<Record>, DataErrorKind> {
    let reader = SerializedFileReader::new(Bytes::from(source.bytes.clone())).map_err(unreadable)?;
    check_size(&reader, source.limit)?;
    let rows: Result<Vec<Row>, ParquetError> = reader.get_row_iter(None).map_err(unreadable)?.collect();
    let rows = rows.map_err(unreadable)?.into_iter().enumerate();
    let values: Result<Vec<_>, _> = rows.map(|(index, row)| object(row, Place::Row(index + 1))).collect();
    Ok(number(values?.into_iter()))
}

fn check_size(reader: &SerializedFileReader<Bytes>, limit: u64) -> Result<(), DataErrorKind> {
    let groups = reader.metadata().row_groups();
    let total: u64 = groups.iter().map(|group| group.total_byte_size().max(0).unsigned_abs()).sum();
    match total > limit {
        true => Err(DataErrorKind::TooLarge { limit }),
        false => Ok(()),
    }
}

fn object(row: Row, place: Place) -> Result<(Place, Value), DataErrorKind> {
    let columns = row.into_columns().into_iter().map(|(name, field)| Ok((value(&field, &name, place)?, name)));
    let columns: Result<Vec<(Value, String)>, DataErrorKind> = columns.collect();
    Ok((place, columns?.into_iter().map(|(value, name)| (name, value)).collect()))
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
        Field::Group(row) => {
            let columns = row.get_column_iter().map(|(name, field)| Ok((name.clone(), value(field, column, place)?)));
            Value::Object(columns.collect::<Result<_, DataErrorKind>>()?)
        }
        Field::ListInternal(list) => {
            let elements = list.elements().iter().map(|element| value(element, column, place));
            Value::Array(elements.collect::<Result<_, _>>()?)
        }
        _ => return Err(wrong_type(column, place, "a date, a decimal or a map")),
    })
}

fn wrong_type(column: &str, place: Place, found: &str) -> DataErrorKind {
    DataErrorKind::WrongType {
        place,
        column: column.to_owned(),
        expected: "text, a number or a truth value",
        found: found.to_owned(),
    }
}

fn unreadable(error: ParquetError) -> DataErrorKind {
    DataErrorKind::Parquet(Box::new(error))
}
