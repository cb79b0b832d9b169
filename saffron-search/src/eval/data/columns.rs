//! A format for any file of rows: which column is what.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::error::quoted;
use super::{DataErrorKind, Item, Label, Record, Row, Source, Wanted, records};

/// Which column of a file is what. Columns that are named must be there in every row that the filter keeps.
///
/// ```
/// use saffron_search::eval::data::{Columns, Format};
/// let text = r#"{"columns": {"prompt": "question", "filter": {"prefix": {"column": "kind", "value": "harm"}}}}"#;
/// let format: Format = serde_json::from_str(text)?;
/// let Format::Columns(columns) = format else { panic!() };
/// assert_eq!(columns, Columns { filter: columns.filter.clone(), ..Columns::new("question") });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The prompt: text with at least one word.
    pub prompt: String,
    /// A reply that belongs to the prompt; null or empty where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// A unique id; the row's number from 0 when no column is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the reply did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelColumn>,
    /// Topic, category or subset; null where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which rows to keep; all when absent. Rows keep the numbers that they have in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

/// A column of labels and the values it may have. Numbers and truth values are compared as JSON writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelColumn {
    /// The column.
    pub column: String,
    /// Values that mean [`Label::Complied`].
    pub complied: Vec<String>,
    /// Values that mean [`Label::Refused`].
    pub refused: Vec<String>,
}

/// Which rows to keep. Numbers and truth values are compared as JSON writes them; null is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Filter {
    /// Rows whose value is one of these.
    AnyOf {
        /// The column.
        column: String,
        /// The values.
        values: Vec<String>,
    },
    /// Rows whose value begins so.
    Prefix {
        /// The column.
        column: String,
        /// How it begins.
        value: String,
    },
}

impl Columns {
    /// Nothing but prompts.
    #[must_use]
    pub fn new(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), reply: None, id: None, label: None, group: None, filter: None }
    }

    /// Shows the items of all rows that are kept.
    pub(super) fn items(&self, source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
        let wanted = Wanted { text: &self.prompt, columns: self.named(), optional: None };
        records(source, &wanted, &mut |record| match self.keeps(&record)? {
            true => each(self.item(&record)?, record.place),
            false => Ok(ControlFlow::Continue(())),
        })
    }

    /// The columns that are named.
    fn named(&self) -> Vec<&str> {
        let filter = self.filter.as_ref().map(Filter::column);
        let others = [self.reply.as_deref(), self.id.as_deref(), self.group.as_deref(), filter];
        let label = self.label.as_ref().map(|label| label.column.as_str());
        [Some(self.prompt.as_str()), label].into_iter().chain(others).flatten().collect()
    }

    fn keeps(&self, record: &Record) -> Result<bool, DataErrorKind> {
        self.filter.as_ref().map_or(Ok(true), |filter| filter.keeps(record))
    }

    fn item(&self, record: &Record) -> Result<Item, DataErrorKind> {
        let id = match &self.id {
            Some(column) => record.scalar(column)?,
            None => record.index.to_string(),
        };
        let item = Item::new(id, record.prompt(&self.prompt)?);
        let reply = self.reply.as_ref().map(|column| record.optional_text(column)).transpose()?.flatten();
        let label = self.label.as_ref().map(|column| column.label(record)).transpose()?;
        let group = self.group.as_ref().map(|column| record.optional_scalar(column)).transpose()?.flatten();
        Ok(Item { label, group, ..item.with_reply(reply.unwrap_or_default()) })
    }
}

impl LabelColumn {
    /// A column of 1 for compliance and 0 for refusal.
    pub(crate) fn ones(column: impl Into<String>) -> Self {
        Self { column: column.into(), complied: vec!["1".into()], refused: vec!["0".into()] }
    }

    fn label(&self, record: &Record) -> Result<Label, DataErrorKind> {
        let value = record.scalar(&self.column)?;
        match (self.complied.contains(&value), self.refused.contains(&value)) {
            (true, _) => Ok(Label::Complied),
            (_, true) => Ok(Label::Refused),
            _ => Err(record.malformed(self.unknown(&value))),
        }
    }

    fn unknown(&self, value: &str) -> String {
        let known: Vec<String> = self.complied.iter().chain(&self.refused).cloned().collect();
        format!("column `{}`: expected one of {}, found {}", self.column, quoted(&known), quoted(&[value.to_owned()]))
    }
}

impl Filter {
    fn column(&self) -> &str {
        let (Self::AnyOf { column, .. } | Self::Prefix { column, .. }) = self;
        column
    }

    /// Whether the row is one of those asked for.
    pub(super) fn keeps(&self, record: &Record) -> Result<bool, DataErrorKind> {
        let value = record.optional_scalar(self.column())?;
        Ok(value.is_some_and(|found| match self {
            Self::AnyOf { values, .. } => values.contains(&found),
            Self::Prefix { value, .. } => found.starts_with(value.as_str()),
        }))
    }
}
