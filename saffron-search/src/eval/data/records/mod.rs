//! Rows of any container as JSON values, one after the other.

mod csv;
mod json;
mod layout;
mod outcome;
#[cfg(feature = "parquet")]
pub(super) mod parquet;
mod record;
mod text;

use std::ops::ControlFlow;

use super::source::{Container, Source};
use super::{DataErrorKind, Place};

pub(crate) use layout::Layout;
pub(crate) use outcome::Outcome;
pub(crate) use record::Record;

/// Takes a row and where it stands; breaks off when no more are wanted.
pub(crate) type Row<'a, T> = &'a mut dyn FnMut(T, Place) -> Result<ControlFlow<()>, DataErrorKind>;

/// Takes a record.
type Each<'a> = &'a mut dyn FnMut(Record) -> Result<ControlFlow<()>, DataErrorKind>;

/// The columns that a format looks at.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// What a row of bare text is called.
    pub(crate) text: &'a str,
    /// Columns that must be there.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only parquet keeps columns apart"))]
    pub(crate) columns: Vec<&'a str>,
    /// A column that need not be there.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only parquet keeps columns apart"))]
    pub(crate) optional: Option<&'a str>,
    /// How the rows are laid out.
    pub(crate) layout: Layout<'a>,
}

/// Shows the rows of a file in its order, until `each` breaks off.
pub(crate) fn records(source: &Source, wanted: &Wanted<'_>, each: Each<'_>) -> Result<(), DataErrorKind> {
    wanted.layout.check(source.container)?;
    match source.container {
        Container::JsonLines => json::lines(source, wanted, each),
        Container::Json => json::array(source, source.text(), wanted, each),
        Container::Csv => csv::rows(source, b',', wanted.layout, each),
        Container::Tsv => csv::rows(source, b'\t', wanted.layout, each),
        Container::Text => text::lines(source, wanted.text, each),
        Container::Parquet => parquet_rows(source, wanted, each),
    }
}

#[cfg(feature = "parquet")]
fn parquet_rows(source: &Source, wanted: &Wanted<'_>, each: Each<'_>) -> Result<(), DataErrorKind> {
    parquet::rows(source, wanted, each)
}

#[cfg(not(feature = "parquet"))]
fn parquet_rows(_: &Source, _: &Wanted<'_>, _: Each<'_>) -> Result<(), DataErrorKind> {
    Err(DataErrorKind::NeedsParquet)
}
