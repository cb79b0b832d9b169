//! Fields of a JSON object, each of the type that it should have. A field that is null counts as
//! absent, as in transformers.

use std::fmt::Display;
use std::path::Path;

use saffron_core::Token;
use serde_json::{Map, Value};

use crate::error::LoadError;

/// A field that is there and not null.
pub(super) fn present<'a>(raw: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    raw.get(field).filter(|value| !value.is_null())
}

/// An object's fields, by the object's name; the top level has none.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(super) json: &'a Map<String, Value>,
    name: &'a str,
    path: &'a Path,
}

impl<'a> Fields<'a> {
    /// The fields of a file's top level.
    pub(crate) fn of(json: &'a Map<String, Value>, path: &'a Path) -> Self {
        Self { json, name: "", path }
    }

    /// Those of an object in it.
    pub(super) fn within(self, json: &'a Map<String, Value>, name: &'a str) -> Self {
        Self { json, name, ..self }
    }

    pub(super) fn number(self, field: &str) -> Result<Option<f64>, LoadError> {
        self.read(field, "a number", Value::as_f64)
    }

    pub(super) fn text(self, field: &str) -> Result<Option<&'a str>, LoadError> {
        self.read(field, "a text", Value::as_str)
    }

    /// A switch; off where it is absent.
    pub(super) fn flag(self, field: &str) -> Result<bool, LoadError> {
        Ok(self.read(field, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub(super) fn count(self, field: &str) -> Result<Option<usize>, LoadError> {
        self.read(field, COUNT, count)
    }

    /// A number that must be there.
    pub(super) fn needed_count(self, field: &str) -> Result<usize, LoadError> {
        self.count(field)?.ok_or_else(|| self.refuse(field, COUNT, "nothing"))
    }

    pub(super) fn texts(self, field: &str) -> Result<Vec<&'a str>, LoadError> {
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
    pub(super) fn positive(self, field: &str) -> Result<f64, LoadError> {
        let value = self.number(field)?;
        value.filter(|value| *value > 0.0 && value.is_finite()).ok_or_else(|| {
            let found = value.map_or_else(|| String::from("nothing"), |value| value.to_string());
            self.refuse(field, "a finite number above 0", found)
        })
    }

    /// A field with a default of its family where it is absent. Null is no number.
    pub(super) fn or_default<T>(
        self,
        field: &str,
        read: impl FnOnce(Self, &str) -> Result<Option<T>, LoadError>,
        default: T,
    ) -> Result<T, LoadError> {
        match self.json.get(field) {
            None => Ok(default),
            Some(Value::Null) => Err(self.refuse(field, "a number", "null")),
            Some(_) => Ok(read(self, field)?.unwrap_or(default)),
        }
    }

    pub(super) fn read<T>(
        self,
        field: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, LoadError> {
        let Some(value) = present(self.json, field) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.refuse(field, expected, value))
    }

    pub(super) fn refuse(self, field: &str, expected: impl Display, found: impl Display) -> LoadError {
        let field = if self.name.is_empty() { field.to_owned() } else { format!("{}.{field}", self.name) };
        LoadError::field(self.path, field, expected, found)
    }
}

const COUNT: &str = "a whole number from 0";

fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}
