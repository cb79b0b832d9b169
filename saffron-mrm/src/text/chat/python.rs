//! White space as Python knows it: Unicode's, and four control characters besides.

use std::borrow::Cow;

use minijinja::value::StringInput;
use minijinja::{Error, State, Value};

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
pub(super) fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
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

/// The filter `trim`.
pub(super) fn trim_filter(value: StringInput<'_>, characters: Option<Cow<'_, str>>) -> String {
    match characters {
        Some(characters) => value.as_str().trim_matches(|character| characters.contains(character)).to_owned(),
        None => trim(value.as_str()).to_owned(),
    }
}
