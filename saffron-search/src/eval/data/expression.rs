//! Where a text of an item stands in a row: in one column, or in several with text between them.

use std::borrow::Cow;

use serde_json::Value;

use super::{DataErrorKind, Record};

/// Marks the array that holds the rows, as in `jailbreaks[].prompt`.
const EACH: &str = "[]";

/// A column, or a text with columns in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression<'a> {
    Column(Cow<'a, str>),
    Pattern(Vec<Part<'a>>),
}

/// A part of a text with columns in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(String),
    Column(Cow<'a, str>),
}

impl<'a> Expression<'a> {
    /// Reads what a configuration says: the name of a column, or a text with names in braces. A
    /// backslash makes a brace text.
    pub(super) fn parse(written: &'a str) -> Result<Self, DataErrorKind> {
        if !written.contains(['{', '}']) {
            return Ok(Self::Column(Cow::Borrowed(written)));
        }
        let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), written);
        while let Some(at) = rest.find(['{', '}', '\\']) {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            rest = match from.as_bytes() {
                [b'\\', brace @ (b'{' | b'}'), ..] => {
                    text.push(char::from(*brace));
                    &from[2..]
                }
                [b'\\', ..] => {
                    text.push('\\');
                    &from[1..]
                }
                [b'{', ..] => {
                    let (name, after) = column(written, &from[1..])?;
                    parts.extend([Part::Text(std::mem::take(&mut text)), Part::Column(Cow::Borrowed(name))]);
                    after
                }
                _ => return Err(faulty(written, "a `}` without a `{` before it; text has `\\}`")),
            };
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self::Pattern(parts))
    }

    /// The columns that it names.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Self::Column(name) => (Some(&**name), None),
            Self::Pattern(parts) => (None, Some(parts.iter())),
        };
        let many = many.into_iter().flatten().filter_map(|part| match part {
            Part::Column(name) => Some(&**name),
            Part::Text(_) => None,
        });
        one.into_iter().chain(many)
    }

    /// The same with every column renamed.
    pub(super) fn renamed(
        self,
        rename: &mut dyn FnMut(Cow<'a, str>) -> Result<Cow<'a, str>, DataErrorKind>,
    ) -> Result<Self, DataErrorKind> {
        match self {
            Self::Column(name) => Ok(Self::Column(rename(name)?)),
            Self::Pattern(parts) => {
                let mut renamed = Vec::with_capacity(parts.len());
                for part in parts {
                    renamed.push(match part {
                        Part::Column(name) => Part::Column(rename(name)?),
                        text @ Part::Text(_) => text,
                    });
                }
                Ok(Self::Pattern(renamed))
            }
        }
    }

    /// The text that a row has there; a column's value must be text, a number or a truth value.
    pub(super) fn scalar(&self, record: &Record) -> Result<String, DataErrorKind> {
        match self {
            Self::Column(name) => record.scalar(name),
            Self::Pattern(parts) => filled(parts, record),
        }
    }

    /// As [`Self::scalar`]; none where the column is null, or all columns of a text are null or
    /// blank.
    pub(super) fn optional(&self, record: &Record) -> Result<Option<String>, DataErrorKind> {
        match self {
            Self::Column(name) => record.optional_scalar(name),
            Self::Pattern(_) if self.is_blank(record)? => Ok(None),
            Self::Pattern(parts) => filled(parts, record).map(Some),
        }
    }

    /// Whether a row has nothing there: null, blank text, an empty list.
    pub(super) fn is_blank(&self, record: &Record) -> Result<bool, DataErrorKind> {
        for name in self.columns() {
            let blank = match record.value_of(name)? {
                Value::Null => true,
                Value::String(text) => text.trim().is_empty(),
                Value::Array(elements) => elements.is_empty(),
                _ => false,
            };
            if !blank {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn filled(parts: &[Part<'_>], record: &Record) -> Result<String, DataErrorKind> {
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Column(name) => filled.push_str(&record.scalar(name)?),
        }
    }
    Ok(filled)
}

/// The name up to a closing brace, and what follows the brace.
fn column<'a>(written: &str, rest: &'a str) -> Result<(&'a str, &'a str), DataErrorKind> {
    let end = rest.find(['{', '}']).filter(|end| rest[*end..].starts_with('}'));
    let Some(end) = end else {
        return Err(faulty(written, "a `{` that no `}` closes; text has `\\{`"));
    };
    match &rest[..end] {
        "" => Err(faulty(written, "`{}` names no column; text has `\\{\\}`")),
        name => Ok((name, &rest[end + 1..])),
    }
}

fn faulty(pattern: &str, reason: &'static str) -> DataErrorKind {
    DataErrorKind::Pattern { pattern: pattern.to_owned(), reason }
}

/// Parts `jailbreaks[].prompt` into `jailbreaks` and `prompt`.
pub(super) fn of_rows(column: &str) -> Result<Option<(&str, &str)>, DataErrorKind> {
    let Some((rows, rest)) = column.split_once(EACH) else { return Ok(None) };
    let within = if rest.is_empty() { Some("") } else { rest.strip_prefix('.') };
    match within {
        Some(within) if !within.contains(EACH) && !rows.is_empty() => Ok(Some((rows, within))),
        _ => Err(faulty(column, "expected `[]` once, between the place of the rows and a column: `rows[].column`")),
    }
}
