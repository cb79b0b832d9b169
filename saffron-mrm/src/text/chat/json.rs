//! `tojson` as transformers has it: Python's `json.dumps`, nothing escaped for HTML.

use std::io::{self, Write};

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

/// How deep a value may be nested.
const MAX_DEPTH: usize = 32;
/// How many parts it may have.
const MAX_PARTS: usize = 100_000;

/// The filter.
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    check(value, 0, &mut 0)?;
    let mut text = Vec::new();
    let written = match indent.filter(|indent| *indent <= 16) {
        Some(indent) => {
            let spaces = vec![b' '; indent];
            let formatter = PrettyFormatter::with_indent(&spaces);
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Spaced)),
    };
    let failed = |error: String| Error::new(ErrorKind::BadSerialization, error);
    written.map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(text).map_err(|error| failed(error.to_string()))?;
    Ok(Value::from_safe_string(text))
}

/// Refuses what is nested too deep, or has too many parts: a value may hold itself.
fn check(value: &Value, depth: usize, parts: &mut usize) -> Result<(), Error> {
    *parts += 1;
    if depth > MAX_DEPTH || *parts > MAX_PARTS {
        let reason = format!("more than {MAX_DEPTH} levels or {MAX_PARTS} parts are not written as JSON");
        return Err(Error::new(ErrorKind::BadSerialization, reason));
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        return Ok(());
    }
    for item in value.try_iter()? {
        if value.kind() == ValueKind::Map {
            check(&value.get_item(&item)?, depth + 1, parts)?;
        }
        check(&item, depth + 1, parts)?;
    }
    Ok(())
}

/// On one line, a space behind commas and colons.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
