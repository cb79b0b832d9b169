//! Reading.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::reader::TreeBuilder;
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use saffron_core::shortened;
use saffron_search::eval::data::parquet_guard::{check_footer, check_group, list_values};
use saffron_search::eval::data::{Cap, DataErrorKind, DataLimits, Label, Place};
use saffron_search::eval::files::{FileError, open_regular};
use saffron_search::eval::runs::Manifest;

use super::super::LabelSettings;
use super::write::name;
use super::{LabelError, MANIFEST_KEY, TokenRewards, failure};

/// What a text or list on the heap takes besides its content, about.
const TEXT: usize = 32;

/// A column that a file may lack.
const OPTIONAL: &str = "prompt_text";

const COLUMNS: [&str; 9] = ["index", "id", "set", "group", "label", "prompt", "reply", "rewards", "cut"];

/// The manifest and records of a file that [`write`](super::write) or another tool has written.
/// Columns beyond those of the format are passed over. Files are not trusted: one may cost what
/// [`DataLimits::default`] says.
///
/// # Errors
///
/// A file that cannot be read, is damaged, has no manifest or one of something else, lacks a column or has one of another type; records
/// that hold what cannot be.
pub fn read(path: &Path) -> Result<(Manifest, Vec<TokenRewards>), LabelError> {
    read_within(path, &DataLimits::default())
}

/// As [`read`], within limits of one's own.
///
/// # Errors
///
/// As [`read`].
pub fn read_within(path: &Path, limits: &DataLimits) -> Result<(Manifest, Vec<TokenRewards>), LabelError> {
    let file = open_regular(path)?;
    check_footer(&file).map_err(|kind| refused(path, kind))?;
    // The library's own checks of damaged pages are partly assertions.
    let damaged = |_| failure(path)("a page is damaged");
    catch_unwind(AssertUnwindSafe(|| read_rows(path, file, limits))).map_err(damaged)?
}

fn read_rows(path: &Path, file: File, limits: &DataLimits) -> Result<(Manifest, Vec<TokenRewards>), LabelError> {
    let failed = failure::<ParquetError>(path);
    let pages = file.try_clone().map_err(FileError::io("read", path))?;
    let reader = SerializedFileReader::new(file).map_err(&failed)?;
    check_rows(reader.metadata().row_groups(), limits, path)?;
    let manifest = manifest(reader.metadata(), path)?;
    let settings = LabelSettings::of(&manifest, path)?;
    let fields = reader.metadata().file_metadata().schema().get_fields();
    if let Some(missing) = COLUMNS.iter().find(|name| !fields.iter().any(|field| field.name() == **name)) {
        return Err(wrong(path, missing, "such a column", "none"));
    }
    let projection = Type::group_type_builder("token_rewards").with_fields(wanted(fields)).build().map_err(&failed)?;
    let descriptor = Arc::new(SchemaDescriptor::new(Arc::new(projection)));
    let (mut records, mut kept) = (Vec::new(), 0);
    for group in 0..reader.num_row_groups() {
        let place = Place::Row(records.len() + 1);
        let metadata = reader.metadata().row_group(group);
        check_group(&pages, metadata, &is_wanted, limits, list_values(limits), place)
            .map_err(|kind| refused(path, kind))?;
        let group = reader.get_row_group(group).map_err(&failed)?;
        for row in TreeBuilder::new().as_iter(descriptor.clone(), &*group).map_err(&failed)? {
            let record = Columns { path, row: row.map_err(&failed)?, place: records.len() }.record()?;
            record.check(settings.vocab_size)?;
            kept += size(&record);
            if kept > limits.decoded {
                return Err(too_large(path, Cap::Decoded, limits.decoded));
            }
            records.push(record);
        }
    }
    Ok((manifest, records))
}

/// The columns of the format, in the file's order.
fn wanted(fields: &[TypePtr]) -> Vec<TypePtr> {
    fields.iter().filter(|field| is_wanted(field.name())).cloned().collect()
}

fn is_wanted(column: &str) -> bool {
    column == OPTIONAL || COLUMNS.contains(&column)
}

/// Bytes of memory that a record takes among others, about.
fn size(record: &TokenRewards) -> u64 {
    let texts = [Some(&record.id), Some(&record.set), record.group.as_ref(), record.prompt_text.as_ref()];
    let texts: usize = texts.into_iter().flatten().map(|text| TEXT + text.len()).sum();
    let lists = 3 * TEXT + 4 * (record.prompt.len() + record.reply.len() + record.rewards.len());
    (2 * size_of::<TokenRewards>() + texts + lists) as u64
}

fn check_rows(groups: &[RowGroupMetaData], limits: &DataLimits, path: &Path) -> Result<(), LabelError> {
    // Less than no rows are too many, too.
    let rows = groups.iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
    match rows.fold(0, u64::saturating_add) > limits.rows {
        true => Err(too_large(path, Cap::Rows, limits.rows)),
        false => Ok(()),
    }
}

fn refused(path: &Path, kind: DataErrorKind) -> LabelError {
    match kind {
        DataErrorKind::TooLarge { cap, limit, .. } => too_large(path, cap, limit),
        kind => failure(path)(kind),
    }
}

fn too_large(path: &Path, cap: Cap, limit: u64) -> LabelError {
    LabelError::TooLarge { path: path.to_owned(), cap, limit }
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
            prompt_text: self.maybe_text(OPTIONAL)?,
            reply: self.list("reply", "a list of token ids", token)?,
            rewards: self.list("rewards", "a list of 32-bit floats", float)?,
            cut: self.number("cut")?,
        })
    }

    fn field(&self, column: &str) -> &Field {
        self.row.get_column_iter().find(|(name, _)| *name == column).map_or(&Field::Null, |(_, field)| field)
    }

    fn wrong(&self, column: &str, expected: &'static str) -> LabelError {
        let found = format!("{} in row {}", shown(self.field(column)), self.place + 1);
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

fn shown(field: &Field) -> String {
    match field {
        Field::ListInternal(_) | Field::MapInternal(_) | Field::Group(_) => String::from("a list or a group"),
        Field::Str(text) => shortened(text, 100),
        other => other.to_string(),
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
