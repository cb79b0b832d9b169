//! White space as Python knows it: Unicode's, and four control characters besides.

use std::borrow::Cow;

use minijinja::value::{StringInput, ValueKind};
use minijinja::{Error, State, Value};

use super::bounds::{Size, written_bytes};

/// Whether `str.strip` takes it away.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The text without white space around it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The text without white space behind it.
pub(super) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// Methods of strings, lists and maps.
pub(super) fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
    limit: Size,
) -> Result<Value, Error> {
    if let (Some(text), "format") = (value.as_str(), name) {
        charge_format(state, text, arguments, limit)?;
    }
    let stripped = match (value.as_str(), name, arguments) {
        (Some(text), "strip", []) => Some(trim(text)),
        (Some(text), "lstrip", []) => Some(text.trim_start_matches(is_space)),
        (Some(text), "rstrip", []) => Some(trim_end(text)),
        _ => None,
    };
    match stripped {
        Some(text) => Ok(Value::from(text)),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// Pays for what `str.format` writes before it does: fields may repeat an argument, and a width is
/// as large as its number.
fn charge_format(state: &State<'_, '_>, text: &str, arguments: &[Value], limit: Size) -> Result<(), Error> {
    let numbers = text.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let widths = numbers.map(|digits| digits.parse().unwrap_or(u64::MAX)).fold(0, u64::saturating_add);
    let mut longest = 0;
    for argument in arguments {
        longest = longest.max(written_bytes(argument, limit)? as u64);
    }
    let fields = text.matches('{').count() as u64;
    state.consume_fuel(fields.saturating_mul(longest).saturating_add(widths) / 64)
}

/// The filter `trim`.
pub(super) fn trim_filter(value: StringInput<'_>, characters: Option<Cow<'_, str>>) -> String {
    match characters {
        Some(characters) => value.as_str().trim_matches(|character| characters.contains(character)).to_owned(),
        None => trim(value.as_str()).to_owned(),
    }
}

/// Jinja2's test `iterable`: texts are, and none is not.
pub(super) fn is_iterable(value: &Value) -> bool {
    !value.is_none() && (value.kind() == ValueKind::String || value.try_iter().is_ok())
}

/// Jinja2's test `sequence`: what has a length and items.
pub(super) fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::String | ValueKind::Bytes | ValueKind::Seq | ValueKind::Map)
}
