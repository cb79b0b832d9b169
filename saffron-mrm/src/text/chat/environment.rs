//! Jinja as transformers sets it up.

use jiff::civil::Date;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::TemplateError;
use super::python;

/// An environment for a template's source, on a date.
pub(super) fn environment(source: &str, date: Date) -> Result<Environment<'_>, TemplateError> {
    let mut environment = Environment::new();
    let blocks = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(blocks.map_err(|error| syntax(&error))?);
    environment.set_recursion_limit(64);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(python::method);
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Plain => {
            Err(Error::new(ErrorKind::BadEscape, format!("a {} is no text: it has to go through tojson", value.kind())))
        }
        _ => minijinja::escape_formatter(out, state, value),
    });
    environment.add_filter("tojson", super::json::to_json);
    environment.add_filter("trim", python::trim_filter);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", move |format: String| {
        jiff::fmt::strtime::format(&format, date)
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    environment.add_template("chat", source).map_err(|error| syntax(&error))?;
    Ok(environment)
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
    reason
}
