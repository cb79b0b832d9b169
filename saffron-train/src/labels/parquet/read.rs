//! Reading.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row};
use saffron_search::eval::data::{Label, MAX_BYTES};
use saffron_search::eval::files::FileError;
use saffron_search::eval::runs::Manifest;

use super::super::LabelSettings;
use super::write::name;
use super::{LabelError, MANIFEST_KEY, TokenRewards, failure};

const COLUMNS: [&str; 9] = ["index", "id", "set", "group", "label", "prompt", "reply", "rewards", "cut"];

/// The manifest and records of a file that [`write`](super::write) or another tool has written. Columns beyond those of the format are
/// passed over.
///
/// # Errors
///
/// A file that cannot be read, is damaged, has no manifest or one of something else, lacks a column or has one of another type; records
/// that hold what cannot be.
pub fn read(path: &Path) -> Result<(Manifest, Vec<TokenRewards>), LabelError> {
    let file = File::open(path).map_err(FileError::io("open", path))?;
    let length = file.metadata().map_err(FileError::io("read", path))?.len();
    // The library's own checks of damaged pages are partly assertions.
    let damaged = |_| failure(path)("a page is damaged");
    catch_unwind(AssertUnwindSafe(|| read_rows(path, file, length))).map_err(damaged)?
}

fn read_rows(path: &Path, file: File, length: u64) -> Result<(Manifest, Vec<TokenRewards>), LabelError> {
    let failed = failure::<ParquetError>(path);
    let reader = SerializedFileReader::new(file).map_err(&failed)?;
    check_sizes(reader.metadata(), length).map_err(failure(path))?;
    let manifest = manifest(reader.metadata(), path)?;
    let settings = LabelSettings::of(&manifest, path)?;
    let fields = reader.metadata().file_metadata().schema().get_fields();
    if let Some(missing) = COLUMNS.iter().find(|name| !fields.iter().any(|field| field.name() == **name)) {
        return Err(wrong(path, missing, "such a column", "none"));
    }
    let rows = reader.get_row_iter(None).map_err(&failed)?;
    let records = rows.enumerate().map(|(place, row)| {
        let record = Columns { path, row: row.map_err(&failed)?, place }.record()?;
        record.check(settings.vocab_size)?;
        Ok(record)
    });
    Ok((manifest, records.collect::<Result<_, LabelError>>()?))
}

/// Refuses what the file states of its sizes before room is made for it.
fn check_sizes(metadata: &ParquetMetaData, length: u64) -> Result<(), &'static str> {
    let groups = metadata.row_groups();
    if !groups.iter().flat_map(RowGroupMetaData::columns).all(|column| lies_within(column, length)) {
        return Err("a column lies outside the file");
    }
    let size = |group: &RowGroupMetaData| {
        let sizes = group.columns().iter().map(|column| column.uncompressed_size().max(0).unsigned_abs());
        sizes.fold(0, u64::saturating_add)
    };
    if groups.iter().any(|group| size(group) > MAX_BYTES) { Err("a row group holds more than 2 GiB") } else { Ok(()) }
}

fn lies_within(column: &ColumnChunkMetaData, file: u64) -> bool {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let start_and_length = (u64::try_from(start), u64::try_from(column.compressed_size()));
    matches!(start_and_length, (Ok(start), Ok(length)) if start.saturating_add(length) <= file)
}

fn manifest(metadata: &ParquetMetaData, path: &Path) -> Result<Manifest, LabelError> {
    let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let text = pairs.filter(|pair| pair.key == MANIFEST_KEY).find_map(|pair| pair.value.as_deref());
    let text = text.ok_or_else(|| failure(path)("the file's metadata has no `saffron.manifest`"))?;
    serde_json::from_str(text).map_err(|source| LabelError::Settings { path: path.to_owned(), source })
}

fn wrong(path: &Path, column: &str, expected: &'static str, found: impl Into<String>) -> LabelError {
    LabelError::Column { path: path.to_owned(), column: column.to_owned(), expected, found: found.into() }
}

/// A row by the names of its columns.
struct Columns<'a> {
    path: &'a Path,
    row: Row,
    place: usize,
}

impl Columns<'_> {
    fn record(&self) -> Result<TokenRewards, LabelError> {
        Ok(TokenRewards {
            index: self.number("index")?,
            id: self.text("id")?,
            set: self.text("set")?,
            group: self.maybe_text("group")?,
            label: self.label()?,
            prompt: self.list("prompt", "a list of token ids", token)?,
            prompt_text: self.maybe_text("prompt_text")?,
            reply: self.list("reply", "a list of token ids", token)?,
            rewards: self.list("rewards", "a list of 32-bit floats", float)?,
            cut: self.number("cut")?,
        })
    }

    fn field(&self, column: &str) -> &Field {
        self.row.get_column_iter().find(|(name, _)| *name == column).map_or(&Field::Null, |(_, field)| field)
    }

    fn wrong(&self, column: &str, expected: &'static str) -> LabelError {
        let found = format!("{} in row {}", self.field(column), self.place + 1);
        wrong(self.path, column, expected, found)
    }

    fn number(&self, column: &str) -> Result<usize, LabelError> {
        let number = whole(self.field(column)).and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.wrong(column, "a whole number"))
    }

    fn maybe_text(&self, column: &str) -> Result<Option<String>, LabelError> {
        match self.field(column) {
            Field::Null => Ok(None),
            Field::Str(text) => Ok(Some(text.clone())),
            _ => Err(self.wrong(column, "text")),
        }
    }

    fn text(&self, column: &str) -> Result<String, LabelError> {
        self.maybe_text(column)?.ok_or_else(|| self.wrong(column, "text"))
    }

    fn label(&self) -> Result<Option<Label>, LabelError> {
        let Some(text) = self.maybe_text("label")? else { return Ok(None) };
        let label = [Label::Complied, Label::Refused].into_iter().find(|label| name(*label) == text);
        label.map(Some).ok_or_else(|| self.wrong("label", "`complied` or `refused`"))
    }

    fn list<T>(
        &self,
        column: &str,
        expected: &'static str,
        element: fn(&Field) -> Option<T>,
    ) -> Result<Vec<T>, LabelError> {
        let elements = match self.field(column) {
            Field::ListInternal(list) => list.elements().iter().map(element).collect(),
            _ => None,
        };
        elements.ok_or_else(|| self.wrong(column, expected))
    }
}

fn whole(field: &Field) -> Option<i64> {
    match field {
        Field::Int(number) => Some(i64::from(*number)),
        Field::Long(number) => Some(*number),
        Field::UInt(number) => Some(i64::from(*number)),
        Field::ULong(number) => i64::try_from(*number).ok(),
        _ => None,
    }
}

fn token(field: &Field) -> Option<u32> {
    whole(field).and_then(|token| u32::try_from(token).ok())
}

fn float(field: &Field) -> Option<f32> {
    match field {
        Field::Float(number) => Some(*number),
        _ => None,
    }
}
