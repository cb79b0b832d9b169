//! Jinja as transformers sets it up.

use jiff::civil::Date;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::TemplateError;
use super::bounds::{Size, bounded, namespace};
use super::python;
use super::shape::{BOUNDED, HELD};
use crate::text::caught::caught;

/// The longest format of a date, in bytes.
const MAX_DATE: usize = 256;
/// The longest reason of an error, in bytes. An error may hold what the template has made.
const MAX_REASON: usize = 2_000;

/// An environment for a template's source, on a date. No value that gets a name is larger than the
/// limit.
pub(super) fn environment(source: &str, date: Date, limit: Size) -> Result<Environment<'_>, TemplateError> {
    let mut environment = Environment::new();
    let blocks = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(blocks.map_err(|error| syntax(&error))?);
    environment.set_recursion_limit(64);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(move |state, value, name, arguments| {
        python::method(state, value, name, arguments, limit)
    });
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Plain => {
            Err(Error::new(ErrorKind::BadEscape, format!("a {} is no text: it has to go through tojson", value.kind())))
        }
        _ => minijinja::escape_formatter(out, state, value),
    });
    environment.add_filter("tojson", super::json::to_json);
    environment.add_filter("trim", python::trim_filter);
    environment.add_test("iterable", python::is_iterable);
    environment.add_test("sequence", python::is_sequence);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    for (name, held) in [(BOUNDED, false), (HELD, true)] {
        let filter = move |state: &State<'_, '_>, value: &Value| bounded(state, value, limit, held);
        environment.add_filter(name, filter);
    }
    environment.add_function("namespace", move |state: &State<'_, '_>, parts: Option<ValueOrKwargs>| {
        namespace(state, parts, limit)
    });
    environment.add_function("strftime_now", move |format: String| {
        if format.len() > MAX_DATE {
            let reason = format!("the format of a date has {} bytes, at most {MAX_DATE} are read", format.len());
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
        jiff::fmt::strtime::format(&format, date)
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    let added = caught(|| environment.add_template("chat", source));
    added.unwrap_or_else(|| Err(panicked())).map_err(|error| syntax(&error))?;
    Ok(environment)
}

/// The error of a template that makes minijinja panic. None is known.
pub(super) fn panicked() -> Error {
    Error::new(ErrorKind::InvalidOperation, "the minijinja crate panicked")
}

pub(super) fn syntax(error: &Error) -> TemplateError {
    TemplateError::Syntax(reason(error))
}

/// An error with those behind it, on one line.
pub(super) fn reason(error: &Error) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        reason = format!("{reason}: {error}");
        source = error.source();
    }
    if reason.len() > MAX_REASON {
        let end = (0..=MAX_REASON).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
        reason.truncate(end);
        reason.push('…');
    }
    reason
}
