//! How the rows of a file are laid out, where the container leaves that open.

use super::{Container, DataErrorKind};

/// What a format says of the rows' layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout<'a> {
    /// Whether the first record of CSV or TSV names the columns; else numbers from 0 do.
    pub(crate) header: bool,
    /// Whether double quotes enclose fields of CSV or TSV.
    pub(crate) quotes: bool,
    /// Where the array of rows stands in a JSON value: keys with dots between them.
    pub(crate) rows: Option<&'a str>,
    /// Whether a row may be a bare text.
    pub(crate) texts: bool,
    /// Whether a file of JSON lines may be one array after all.
    pub(crate) array: bool,
}

impl Default for Layout<'_> {
    fn default() -> Self {
        Self { header: true, quotes: true, rows: None, texts: false, array: false }
    }
}

impl Layout<'_> {
    /// Refuses what a container cannot have.
    pub(crate) fn check(&self, container: Container) -> Result<(), DataErrorKind> {
        let is_table = matches!(container, Container::Csv | Container::Tsv);
        let fault = |key, expected| Err(DataErrorKind::Layout { key, expected });
        match () {
            () if !self.header && !is_table => fault("header = false", ".csv or .tsv"),
            () if !self.quotes && !is_table => fault("quotes = false", ".csv or .tsv"),
            () if self.rows.is_some() && container != Container::Json => fault("rows (or `[]`)", ".json"),
            () => Ok(()),
        }
    }
}
