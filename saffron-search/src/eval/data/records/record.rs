//! One row, and typed access to its columns.

use serde_json::{Map, Value};

use crate::eval::data::{DataErrorKind, Place};

/// One row of a file.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Rows before it.
    pub(crate) index: usize,
    /// Where it stands.
    pub(crate) place: Place,
    /// An object of columns, where the format has columns.
    pub(crate) value: Value,
    /// Whether the names of its columns are the file's first row.
    pub(crate) header: bool,
}

impl Record {
    /// A column that must be text.
    pub(crate) fn text(&self, column: &str) -> Result<&str, DataErrorKind> {
        match self.value_of(column)? {
            Value::String(text) => Ok(text),
            other => Err(self.wrong_type(column, "text", other)),
        }
    }

    /// A column that must be text or null.
    pub(crate) fn optional_text(&self, column: &str) -> Result<Option<&str>, DataErrorKind> {
        match self.value_of(column)? {
            Value::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    /// The text of a column that must be text with a word in it.
    pub(crate) fn prompt(&self, column: &str) -> Result<&str, DataErrorKind> {
        let text = self.text(column)?;
        match text.trim().is_empty() {
            true => Err(DataErrorKind::EmptyPrompt { place: self.place }),
            false => Ok(text),
        }
    }

    /// A column that must be text, a number or a truth value, as text.
    pub(crate) fn scalar(&self, column: &str) -> Result<String, DataErrorKind> {
        match self.value_of(column)? {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            other => Err(self.wrong_type(column, "text, a number or a truth value", other)),
        }
    }

    /// As [`Self::scalar`]; null is none.
    pub(crate) fn optional_scalar(&self, column: &str) -> Result<Option<String>, DataErrorKind> {
        match self.value_of(column)? {
            Value::Null => Ok(None),
            _ => self.scalar(column).map(Some),
        }
    }

    /// Whether the row has the column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.value.get(column).is_some()
    }

    /// The value of a column: the one of that name, or what a path with dots leads to.
    pub(crate) fn value_of(&self, column: &str) -> Result<&Value, DataErrorKind> {
        let columns = self.columns()?;
        let (named, nested) = (columns.get(column), nested(&self.value, column));
        if named.is_some() && nested.is_some() {
            return Err(self.malformed(format!("`{column}` is both the name of a column and a path to a value")));
        }
        named.or(nested).ok_or_else(|| {
            let mut found: Vec<String> = columns.keys().cloned().collect();
            found.sort_unstable();
            DataErrorKind::MissingColumn { place: self.place, column: column.to_owned(), found, header: self.header }
        })
    }

    fn columns(&self) -> Result<&Map<String, Value>, DataErrorKind> {
        self.value.as_object().ok_or_else(|| self.malformed(format!("expected an object, found {}", kind(&self.value))))
    }

    pub(crate) fn malformed(&self, reason: impl Into<String>) -> DataErrorKind {
        DataErrorKind::Malformed { place: self.place, reason: reason.into() }
    }

    pub(crate) fn wrong_type(&self, column: &str, expected: &'static str, found: &Value) -> DataErrorKind {
        DataErrorKind::WrongType {
            place: self.place,
            column: column.to_owned(),
            expected,
            found: kind(found).to_owned(),
        }
    }
}

/// What keys of objects and places of arrays, with dots between them, lead to. Nothing lies within
/// null but null.
fn nested<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.contains('.').then_some(())?;
    path.split('.').try_fold(value, |value, key| match value {
        Value::Object(columns) => columns.get(key),
        Value::Array(elements) => elements.get(key.parse::<usize>().ok()?),
        Value::Null => Some(value),
        _ => None,
    })
}

/// A value's type, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
