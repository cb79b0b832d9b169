//! A GGUF's metadata by key, each value of the type that it should have.

use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use saffron_core::Token;

use super::Seen;
use crate::error::LoadError;

const TOKENS: &str = "tokenizer.ggml.tokens";

/// A file's metadata.
#[derive(Clone, Copy)]
pub(crate) struct Metadata<'a> {
    path: &'a Path,
    content: &'a Content,
    seen: Option<&'a Seen>,
}

/// Which layers are of a kind.
pub(crate) enum Pattern {
    /// All but the last of so many.
    Period(usize),
    /// Those of a list.
    Each(Vec<bool>),
}

impl<'a> Metadata<'a> {
    pub(crate) fn new(path: &'a Path, content: &'a Content) -> Self {
        Self { path, content, seen: None }
    }

    /// The same, and the keys that are looked at are noted.
    pub(crate) fn noting(self, seen: &'a Seen) -> Self {
        Self { seen: Some(seen), ..self }
    }

    /// All keys, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.content.metadata.keys().map(String::as_str)
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, LoadError> {
        self.read(key, "a text", as_text)
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, LoadError> {
        self.read(key, "true or false", |value| if let Value::Bool(flag) = value { Some(*flag) } else { None })
    }

    /// A number that counts something.
    pub(crate) fn count(&self, key: &str) -> Result<Option<usize>, LoadError> {
        self.read(key, "a number from 0", |value| usize::try_from(as_integer(value)?).ok())
    }

    /// A real number; one of 32 bits as it is written in decimals, as in the configuration it was
    /// made of.
    pub(crate) fn real(&self, key: &str) -> Result<Option<f64>, LoadError> {
        self.read(key, "a real number", |value| match value {
            Value::F32(number) => Some(decimal(*number)),
            Value::F64(number) => Some(*number),
            _ => None,
        })
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>, LoadError> {
        self.read(key, "a list of texts", |value| list(value)?.iter().map(as_text).collect())
    }

    pub(crate) fn integers(&self, key: &str) -> Result<Option<Vec<i64>>, LoadError> {
        self.read(key, "a list of whole numbers", |value| list(value)?.iter().map(as_integer).collect())
    }

    pub(crate) fn reals(&self, key: &str) -> Result<Option<Vec<f32>>, LoadError> {
        let real = |value: &Value| if let Value::F32(number) = value { Some(*number) } else { None };
        self.read(key, "a list of real numbers", |value| list(value)?.iter().map(real).collect())
    }

    /// Which layers are of a kind, as the format has it.
    pub(crate) fn pattern(&self, key: &str) -> Result<Option<Pattern>, LoadError> {
        let switch = |value: &Value| match value {
            Value::Bool(on) => Some(*on),
            value => as_integer(value).map(|number| number != 0),
        };
        self.read(key, "a number from 0 or a list of switches", |value| match value {
            Value::Array(values) => values.iter().map(switch).collect::<Option<_>>().map(Pattern::Each),
            value => Some(Pattern::Period(usize::try_from(as_integer(value)?).ok()?)),
        })
    }

    /// A special token by its short name (`bos`, `eos`), with its text.
    pub(crate) fn token(&self, name: &str) -> Result<Option<(Token, &'a str)>, LoadError> {
        let key = format!("tokenizer.ggml.{name}_token_id");
        let Some(id) = self.count(&key)? else { return Ok(None) };
        let tokens = list(self.need_value(TOKENS)?).unwrap_or_default();
        match tokens.get(id).and_then(as_text) {
            Some(text) => Ok(Some((id as Token, text))),
            None => Err(self.refuse(&key, format!("an id below {}", tokens.len()), id)),
        }
    }

    /// All tokens that the file names by their ids, as role, id and text, in order of the roles. An
    /// id that no token has names none.
    pub(crate) fn named_tokens(&self) -> Vec<(&'a str, Token, &'a str)> {
        let tokens = self.content.metadata.get(TOKENS).and_then(list).unwrap_or_default();
        let named = |(key, value): (&'a String, &Value)| {
            let role = key.strip_prefix("tokenizer.ggml.")?.strip_suffix("_token_id")?;
            let id = usize::try_from(as_integer(value)?).ok()?;
            Some((role, Token::try_from(id).ok()?, tokens.get(id).and_then(as_text)?))
        };
        let mut named: Vec<_> = self.content.metadata.iter().filter_map(named).collect();
        named.sort_unstable();
        named
    }

    /// A value that must be there.
    pub(crate) fn need<T>(&self, key: &str, found: Result<Option<T>, LoadError>) -> Result<T, LoadError> {
        found?.ok_or_else(|| self.refuse(key, "a value", "none"))
    }

    pub(crate) fn refuse(
        &self,
        key: &str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> LoadError {
        LoadError::field(self.path, key, expected, found)
    }

    /// The file.
    pub(crate) fn path(&self) -> &'a Path {
        self.path
    }

    fn need_value(&self, key: &str) -> Result<&'a Value, LoadError> {
        self.content.metadata.get(key).ok_or_else(|| self.refuse(key, "a value", "none"))
    }

    fn read<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, LoadError> {
        if let Some(seen) = self.seen {
            seen.borrow_mut().insert(key.to_owned());
        }
        let Some(value) = self.content.metadata.get(key) else { return Ok(None) };
        let found = || format!("{:?}", value.value_type());
        read(value).map(Some).ok_or_else(|| self.refuse(key, expected, found()))
    }
}

/// A number of 32 bits as it is written in decimals.
pub(crate) fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

fn list(value: &Value) -> Option<&[Value]> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

fn as_text(value: &Value) -> Option<&str> {
    if let Value::String(text) = value { Some(text) } else { None }
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::U8(number) => Some(i64::from(*number)),
        Value::I8(number) => Some(i64::from(*number)),
        Value::U16(number) => Some(i64::from(*number)),
        Value::I16(number) => Some(i64::from(*number)),
        Value::U32(number) => Some(i64::from(*number)),
        Value::I32(number) => Some(i64::from(*number)),
        Value::U64(number) => i64::try_from(*number).ok(),
        Value::I64(number) => Some(*number),
        _ => None,
    }
}
