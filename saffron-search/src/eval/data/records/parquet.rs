//! Rows of parquet files.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use super::{Record, number};
use crate::eval::data::{DataErrorKind, Place, Source};

/// All rows. What the file states of its sizes is checked before anything is unzipped.
pub(super) fn rows(source: &Source) -> Result<Vec<Record>, DataErrorKind> {
    let rows = guarded(|| read(source))??.into_iter().enumerate();
    let values: Result<Vec<_>, _> = rows.map(|(index, row)| object(row, Place::Row(index + 1))).collect();
    Ok(number(values?.into_iter()))
}

fn read(source: &Source) -> Result<Vec<Row>, DataErrorKind> {
    let reader = SerializedFileReader::new(Bytes::from(source.bytes.clone())).map_err(unreadable)?;
    check_sizes(reader.metadata().row_groups(), source)?;
    reader.get_row_iter(None).and_then(Iterator::collect).map_err(unreadable)
}

/// The reader's own checks of damaged pages are partly assertions; here they are errors, unless the program aborts on panics. Its
/// panic hook hears of them either way.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, DataErrorKind> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| damaged("the reader gave up on a damaged page"))
}

fn check_sizes(groups: &[RowGroupMetaData], source: &Source) -> Result<(), DataErrorKind> {
    let columns = || groups.iter().flat_map(RowGroupMetaData::columns);
    if !columns().all(|column| lies_within(column, source.bytes.len() as u64)) {
        return Err(damaged("a column lies outside the file"));
    }
    let sizes = columns().map(|column| column.uncompressed_size().max(0).unsigned_abs());
    match sizes.fold(0, u64::saturating_add) > source.limit {
        true => Err(DataErrorKind::TooLarge { limit: source.limit }),
        false => Ok(()),
    }
}

fn lies_within(column: &ColumnChunkMetaData, file: u64) -> bool {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let start_and_length = (u64::try_from(start), u64::try_from(column.compressed_size()));
    matches!(start_and_length, (Ok(start), Ok(length)) if start.saturating_add(length) <= file)
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

fn damaged(what: &'static str) -> DataErrorKind {
    DataErrorKind::Parquet(what.into())
}

fn unreadable(error: ParquetError) -> DataErrorKind {
    DataErrorKind::Parquet(Box::new(error))
}
