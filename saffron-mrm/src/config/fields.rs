//! Fields of a JSON object, each of the type that it should have. A field that is null counts as
//! absent, as in transformers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use saffron_core::Token;
use serde_json::{Map, Value};

use crate::error::LoadError;

/// A field that is there and not null.
pub(crate) fn present<'a>(raw: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    raw.get(field).filter(|value| !value.is_null())
}

/// Names of the fields that were read.
pub(crate) type Seen = RefCell<BTreeSet<String>>;

/// An object's fields, by the object's name; the top level has none.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    json: &'a Map<String, Value>,
    name: &'a str,
    path: &'a Path,
    seen: Option<&'a Seen>,
}

impl<'a> Fields<'a> {
    /// The fields of a file's top level.
    pub(crate) fn of(json: &'a Map<String, Value>, path: &'a Path) -> Self {
        Self { json, name: "", path, seen: None }
    }

    /// The same, and what is looked at is noted.
    pub(crate) fn noting(self, seen: &'a Seen) -> Self {
        Self { seen: Some(seen), ..self }
    }

    /// Those of an object in it.
    pub(crate) fn within(self, json: &'a Map<String, Value>, name: &'a str) -> Self {
        Self { json, name, ..self }
    }

    pub(crate) fn number(self, field: &str) -> Result<Option<f64>, LoadError> {
        self.read(field, "a number", Value::as_f64)
    }

    pub(crate) fn text(self, field: &str) -> Result<Option<&'a str>, LoadError> {
        self.read(field, "a text", Value::as_str)
    }

    /// A switch; off where it is absent.
    pub(crate) fn flag(self, field: &str) -> Result<bool, LoadError> {
        Ok(self.read(field, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub(crate) fn count(self, field: &str) -> Result<Option<usize>, LoadError> {
        self.read(field, COUNT, count)
    }

    /// A number that must be there.
    pub(crate) fn needed_count(self, field: &str) -> Result<usize, LoadError> {
        self.count(field)?.ok_or_else(|| self.refuse(field, COUNT, "nothing"))
    }

    pub(crate) fn texts(self, field: &str) -> Result<Vec<&'a str>, LoadError> {
        let texts = self.read(field, "a list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect());
        Ok(texts?.unwrap_or_default())
    }

    /// Token ids: one, several or none.
    pub(crate) fn tokens(self, field: &str) -> Result<Vec<Token>, LoadError> {
        let token = |value: &Value| Token::try_from(value.as_u64()?).ok();
        let tokens = self.read(field, "a token id or a list of them", |value| match value {
            Value::Array(tokens) => tokens.iter().map(token).collect(),
            value => token(value).map(|token| vec![token]),
        });
        Ok(tokens?.unwrap_or_default())
    }

    /// A number above 0 that must be there.
    pub(crate) fn positive(self, field: &str) -> Result<f64, LoadError> {
        let value = self.number(field)?;
        value.filter(|value| *value > 0.0 && value.is_finite()).ok_or_else(|| {
            let found = value.map_or_else(|| String::from("nothing"), |value| value.to_string());
            self.refuse(field, "a finite number above 0", found)
        })
    }

    /// A field with a default of its family where it is absent. Null is no number.
    pub(crate) fn or_default<T>(
        self,
        field: &str,
        read: impl FnOnce(Self, &str) -> Result<Option<T>, LoadError>,
        default: T,
    ) -> Result<T, LoadError> {
        match self.get(field) {
            None => Ok(default),
            Some(Value::Null) => Err(self.refuse(field, "a number", "null")),
            Some(_) => Ok(read(self, field)?.unwrap_or(default)),
        }
    }

    pub(crate) fn read<T>(
        self,
        field: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, LoadError> {
        let Some(value) = self.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.refuse(field, expected, value))
    }

    /// A field as it stands.
    pub(crate) fn get(self, field: &str) -> Option<&'a Value> {
        if let Some(seen) = self.seen {
            seen.borrow_mut().insert(self.named(field));
        }
        self.json.get(field)
    }

    /// All fields, by name.
    pub(crate) fn all(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.json.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A field's name within the file.
    pub(crate) fn named(self, field: &str) -> String {
        if self.name.is_empty() { field.to_owned() } else { format!("{}.{field}", self.name) }
    }

    pub(crate) fn numbers(self, field: &str) -> Result<Option<Vec<f64>>, LoadError> {
        self.read(field, "a list of numbers", |value| value.as_array()?.iter().map(Value::as_f64).collect())
    }

    pub(crate) fn refuse(self, field: &str, expected: impl Display, found: impl Display) -> LoadError {
        LoadError::field(self.path, self.named(field), expected, found)
    }
}

const COUNT: &str = "a whole number from 0";

fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}
