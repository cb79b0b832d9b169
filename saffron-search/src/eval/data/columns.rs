//! A format for any file of rows: which column is what.

use serde::{Deserialize, Serialize};

use super::error::quoted;
use super::reading::Reading;
use super::{DataErrorKind, Item, Label, Record, Row, Source, records};

/// Which column of a file is what. Columns that are named must be there in every row that the filter keeps.
///
/// Where a row has no column of a name, a name with dots is a path into what the row nests:
/// `turns.0`, `meta.topic`. All but `label` and the filter's column may be texts with columns in
/// braces, `"{context}\n\n{question}"`; a backslash makes a brace text. A prompt may be a column of
/// chat messages, lists of `role` and `content` or of `from` and `value`: then all turns up to the
/// last one of a user are the prompt, and the assistant's turn behind it is the reply.
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
    /// What the attack in the prompt is after, see [`Item::goal`]; null or empty where there is
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// How a reply that does what is asked would begin; null or empty where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The harm category: text, or an object of truth values, of which the true ones are named;
    /// null where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// A text that the question is about; null or empty where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Which rows to keep; all when absent. Rows keep the numbers that they have in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Where the array of rows stands in a `.json` file that is an object: keys with dots between
    /// them. A column `rows[].prompt` says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
    /// Whether the first record of a `.csv` or `.tsv` file names the columns. Without it, they are
    /// named by their numbers: `0`, `1` and so on.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub header: bool,
    /// Whether double quotes enclose fields of a `.csv` or `.tsv` file.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub quotes: bool,
    /// What becomes of a row without a prompt.
    #[serde(default, skip_serializing_if = "Unwanted::refuses")]
    pub empty: Unwanted,
    /// What becomes of system messages in dialogues.
    #[serde(default, skip_serializing_if = "Unwanted::refuses")]
    pub system: Unwanted,
}

/// What becomes of something that no prompt can be made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unwanted {
    /// The file is refused.
    #[default]
    Refuse,
    /// It is left out, and [counted](super::LeftOut).
    Drop,
}

impl Unwanted {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn refuses(&self) -> bool {
        *self == Self::Refuse
    }
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_yes(value: &bool) -> bool {
    *value
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
        Self {
            prompt: prompt.into(),
            reply: None,
            id: None,
            label: None,
            group: None,
            goal: None,
            target: None,
            category: None,
            context: None,
            filter: None,
            rows: None,
            header: true,
            quotes: true,
            empty: Unwanted::Refuse,
            system: Unwanted::Refuse,
        }
    }

    /// Refuses texts with columns in braces that make no sense. It opens no file.
    ///
    /// # Errors
    ///
    /// [`DataErrorKind::Pattern`].
    pub fn check(&self) -> Result<(), DataErrorKind> {
        Reading::of(self).map(drop)
    }

    /// Whether prompts may be more than the items' own questions.
    #[must_use]
    pub fn has_goals(&self) -> bool {
        self.goal.as_ref().is_some_and(|goal| *goal != self.prompt)
    }

    /// Shows the items of all rows that are kept.
    pub(super) fn items(&self, source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
        let reading = Reading::of(self)?;
        records(source, &reading.wanted(), &mut |record| reading.show(&record, source, each))
    }
}

impl LabelColumn {
    /// A column of 1 for compliance and 0 for refusal.
    pub(crate) fn ones(column: impl Into<String>) -> Self {
        Self { column: column.into(), complied: vec!["1".into()], refused: vec!["0".into()] }
    }

    /// What the value in `column`, which the row's own name for this one's is, says.
    pub(super) fn label(&self, column: &str, record: &Record) -> Result<Label, DataErrorKind> {
        let value = record.scalar(column)?;
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
    /// The column that it looks at.
    pub(super) fn column(&self) -> &str {
        let (Self::AnyOf { column, .. } | Self::Prefix { column, .. }) = self;
        column
    }

    /// Whether the row is one of those asked for.
    pub(super) fn keeps(&self, record: &Record) -> Result<bool, DataErrorKind> {
        self.keeps_value(self.column(), record)
    }

    /// The same, by the value in `column`.
    pub(super) fn keeps_value(&self, column: &str, record: &Record) -> Result<bool, DataErrorKind> {
        let value = record.optional_scalar(column)?;
        Ok(value.is_some_and(|found| match self {
            Self::AnyOf { values, .. } => values.contains(&found),
            Self::Prefix { value, .. } => found.starts_with(value.as_str()),
        }))
    }
}
