//! Writing.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use saffron_search::eval::data::Label;
use saffron_search::eval::files;
use saffron_search::eval::runs::RunError;

use super::super::run::{manifest, walk};
use super::{LabelError, MANIFEST_KEY, SCHEMA, TokenRewards, failure};

/// Records a row group, at most.
const ROWS: usize = 4096;

/// Tokens a row group, about: so many are always read back.
const TOKENS: usize = 1 << 20;

/// Writes the labels of the run in a directory as a parquet file, whole or not at all, and says how many rows it has.
///
/// # Errors
///
/// No run there, labels that cannot be read, a failed write.
pub fn write(dir: &Path, path: &Path) -> Result<usize, LabelError> {
    let mut outcome = Ok(0);
    let written = files::replace(path, |file| {
        outcome = write_rows(dir, path, file);
        outcome.as_ref().map(drop).map_err(|_| io::Error::other("the labels could not be written"))
    });
    let rows = outcome?;
    written?;
    Ok(rows)
}

fn write_rows(dir: &Path, path: &Path, file: impl Write + Send) -> Result<usize, LabelError> {
    let failed = failure::<ParquetError>(path);
    let schema = parse_message_type(SCHEMA).map_err(&failed)?;
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties(dir)?)).map_err(&failed)?;
    let (mut rows, mut tokens, mut waiting) = (0, 0, Vec::new());
    walk(dir, |record| {
        if !record.is_skipped() {
            rows += 1;
            tokens += record.prompt.len() + record.reply.len();
            waiting.push(record);
        }
        if waiting.len() == ROWS || tokens >= TOKENS {
            write_group(&mut writer, &waiting).map_err(&failed)?;
            waiting.clear();
            tokens = 0;
        }
        Ok(())
    })?;
    if !waiting.is_empty() {
        write_group(&mut writer, &waiting).map_err(&failed)?;
    }
    writer.close().map_err(&failed)?;
    Ok(rows)
}

fn properties(dir: &Path) -> Result<WriterProperties, LabelError> {
    let (manifest, _) = manifest(dir)?;
    let failed = |source| RunError::Encode { what: "the manifest", source };
    let text = serde_json::to_string(&manifest).map_err(failed)?;
    let metadata = vec![KeyValue::new(MANIFEST_KEY.to_owned(), text)];
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    Ok(properties.set_key_value_metadata(Some(metadata)).build())
}

fn write_group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    records: &[TokenRewards],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    plain::<Int64Type, W>(&mut group, &numbers(records, |record| record.index)?)?;
    plain::<ByteArrayType, W>(&mut group, &texts(records, |record| &record.id))?;
    plain::<ByteArrayType, W>(&mut group, &texts(records, |record| &record.set))?;
    optional(&mut group, records, |record| record.group.as_deref())?;
    optional(&mut group, records, |record| record.label.map(name))?;
    lists::<Int32Type, W>(&mut group, records, |record| ids(&record.prompt))?;
    lists::<Int32Type, W>(&mut group, records, |record| ids(&record.reply))?;
    lists::<FloatType, W>(&mut group, records, |record| Ok(record.rewards.clone()))?;
    plain::<Int64Type, W>(&mut group, &numbers(records, |record| record.cut)?)?;
    optional(&mut group, records, |record| record.prompt_text.as_deref())?;
    group.close().map(drop)
}

/// The text of a label.
pub(super) fn name(label: Label) -> &'static str {
    match label {
        Label::Complied => "complied",
        Label::Refused => "refused",
    }
}

fn numbers(records: &[TokenRewards], number: fn(&TokenRewards) -> usize) -> Result<Vec<i64>, ParquetError> {
    records.iter().map(|record| i64::try_from(number(record)).map_err(too_large)).collect()
}

fn texts(records: &[TokenRewards], text: fn(&TokenRewards) -> &str) -> Vec<ByteArray> {
    records.iter().map(|record| text(record).into()).collect()
}

fn ids(tokens: &[u32]) -> Result<Vec<i32>, ParquetError> {
    tokens.iter().map(|token| i32::try_from(*token).map_err(too_large)).collect()
}

fn too_large(error: std::num::TryFromIntError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// The next column: values with their definition and repetition levels.
fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    defined: Option<&[i16]>,
    repeated: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General(String::from("the schema has too few columns"));
    let mut writer = group.next_column()?.ok_or_else(missing)?;
    writer.typed::<T>().write_batch(values, defined, repeated)?;
    writer.close()
}

fn plain<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    column::<T, W>(group, values, None, None)
}

fn optional<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    records: &[TokenRewards],
    text: impl Fn(&TokenRewards) -> Option<&str>,
) -> Result<(), ParquetError> {
    let defined: Vec<i16> = records.iter().map(|record| i16::from(text(record).is_some())).collect();
    let values: Vec<ByteArray> = records.iter().filter_map(text).map(ByteArray::from).collect();
    column::<ByteArrayType, W>(group, &values, Some(&defined), None)
}

/// Lists are written element by element; an empty one is a level without a value.
fn lists<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    records: &[TokenRewards],
    list: impl Fn(&TokenRewards) -> Result<Vec<T::T>, ParquetError>,
) -> Result<(), ParquetError> {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let list = list(record)?;
        defined.extend(std::iter::repeat_n(i16::from(!list.is_empty()), list.len().max(1)));
        repeated.extend((0..list.len().max(1)).map(|place| i16::from(place > 0)));
        values.extend(list);
    }
    column::<T, W>(group, &values, Some(&defined), Some(&repeated))
}
