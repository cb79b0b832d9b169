//! Rows of parquet files. Only the columns that are wanted are read; of a path into a nested column, the whole column.

mod guard;
mod thrift;
mod value;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Row;
use parquet::record::reader::{ReaderIter, TreeBuilder};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use serde_json::Value;

use super::{Each, Record, Wanted};
use crate::eval::data::{DataErrorKind, Place, Source};
use value::{object, size};

pub use guard::{check_footer, check_group, list_values};

/// Shows all rows, each read when the one before has been taken.
pub(super) fn rows(source: &Source, wanted: &Wanted<'_>, each: Each<'_>) -> Result<(), DataErrorKind> {
    let file = source.file()?;
    check_footer(&file)?;
    let reader = guarded(|| SerializedFileReader::new(source.file()?).map_err(unreadable))??;
    let metadata = reader.metadata();
    let rows = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
    let rows = rows.fold(0, u64::saturating_add);
    let columns = columns(metadata.file_metadata().schema().get_fields(), wanted, rows > 0)?;
    let projection = Type::group_type_builder("rows").with_fields(columns).build().map_err(unreadable)?;
    let mut table = Table { source, reader, projection: Arc::new(projection), index: 0 };
    for group in 0..table.reader.num_row_groups() {
        if !table.show_group(&file, group, each)? {
            break;
        }
    }
    Ok(())
}

struct Table<'a> {
    source: &'a Source,
    reader: SerializedFileReader<File>,
    projection: TypePtr,
    index: usize,
}

impl Table<'_> {
    /// Shows the rows of a group; false where no more are wanted.
    fn show_group(&mut self, file: &File, group: usize, each: Each<'_>) -> Result<bool, DataErrorKind> {
        let mut rows = guarded(|| self.open_group(file, group))??;
        while let Some(row) = guarded(|| rows.next())? {
            let place = Place::Row(self.index + 1);
            self.source.check_rows(self.index, place)?;
            let value = self.value(&row.map_err(unreadable)?, place)?;
            let record = Record { index: self.index, place, value, header: false };
            self.index += 1;
            if each(record)?.is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn open_group(&self, file: &File, group: usize) -> Result<ReaderIter, DataErrorKind> {
        let metadata = self.reader.metadata().row_group(group);
        if metadata.num_rows() < 0 {
            return Err(damaged("a row group has less than no rows"));
        }
        let is_read = |name: &str| self.projection.get_fields().iter().any(|field| field.name() == name);
        let place = Place::Row(self.index + 1);
        check_group(file, metadata, &is_read, &self.source.limits, list_values(&self.source.limits), place)?;
        let descriptor = Arc::new(SchemaDescriptor::new(self.projection.clone()));
        let group = self.reader.get_row_group(group).map_err(unreadable)?;
        TreeBuilder::new().as_iter(descriptor, &*group).map_err(unreadable)
    }

    fn value(&self, row: &Row, place: Place) -> Result<Value, DataErrorKind> {
        match self.source.meter().take(size(row)) {
            true => object(row, place),
            false => Err(self.source.spent(place)),
        }
    }
}

/// The columns that are wanted.
fn columns(fields: &[TypePtr], wanted: &Wanted<'_>, any: bool) -> Result<Vec<TypePtr>, DataErrorKind> {
    let place = Place::Row(1);
    let mut columns: Vec<TypePtr> = Vec::new();
    for wanted_name in wanted.columns.iter().copied().chain(wanted.optional) {
        let name = outer(fields, wanted_name);
        let mut named = fields.iter().filter(|field| field.name() == name);
        let (column, again) = (named.next(), named.next());
        match column {
            Some(_) if again.is_some() => {
                let reason = format!("two columns are named `{name}`");
                return Err(DataErrorKind::Malformed { place, reason });
            }
            Some(_) if columns.iter().any(|column| column.name() == name) => {}
            Some(column) => columns.push(column.clone()),
            None if any && wanted.optional != Some(wanted_name) => {
                let (column, header) = (wanted_name.to_owned(), false);
                let found = fields.iter().map(|field| field.name().to_owned()).collect();
                return Err(DataErrorKind::MissingColumn { place, column, found, header });
            }
            None => {}
        }
    }
    Ok(columns)
}

/// The column that a path leads into, unless a column has the path's whole name.
fn outer<'a>(fields: &[TypePtr], name: &'a str) -> &'a str {
    let is_named = fields.iter().any(|field| field.name() == name);
    let first = name.split_once('.').map_or(name, |(first, _)| first);
    if is_named { name } else { first }
}

/// The reader's own checks of damaged pages are partly assertions; here they are errors, unless the
/// program aborts on panics. Its panic hook hears of them either way.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, DataErrorKind> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| damaged("the reader gave up on a damaged page"))
}

fn damaged(what: &'static str) -> DataErrorKind {
    DataErrorKind::Parquet(what.into())
}

fn unreadable(error: ParquetError) -> DataErrorKind {
    DataErrorKind::Parquet(Box::new(error))
}
