//! Rows of any container as JSON values.

mod csv;
mod json;
#[cfg(feature = "parquet")]
mod parquet;
mod record;
mod text;

use super::source::{Container, Source};
use super::{DataErrorKind, Place};

pub(crate) use json::whole;
pub(crate) use record::Record;

/// The rows of a file in its order. `column` names the lines of a file of bare text.
pub(crate) fn records(source: &Source, column: &str) -> Result<Vec<Record>, DataErrorKind> {
    match source.container {
        Container::JsonLines => json::lines(source.text()?),
        Container::Json => json::array(source.text()?),
        Container::Csv => csv::rows(source.text()?),
        Container::Text => Ok(text::lines(source.text()?, column)),
        Container::Parquet => parquet_rows(source),
    }
}

#[cfg(feature = "parquet")]
fn parquet_rows(source: &Source) -> Result<Vec<Record>, DataErrorKind> {
    parquet::rows(source)
}

#[cfg(not(feature = "parquet"))]
fn parquet_rows(_: &Source) -> Result<Vec<Record>, DataErrorKind> {
    Err(DataErrorKind::NeedsParquet)
}

/// The rows of an iterator with their indices.
fn number<I: Iterator<Item = (Place, serde_json::Value)>>(rows: I) -> Vec<Record> {
    rows.enumerate().map(|(index, (place, value))| Record { index, place, value }).collect()
}
