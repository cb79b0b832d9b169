//! How deep and how large a value may be that a template gives a name.

use minijinja::value::{ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value, functions};

/// How deep a value may be nested.
const MAX_DEPTH: usize = 16;
/// How many parts a value may have that a template makes of nothing.
const PARTS: usize = 10_000;
/// How many bytes its texts may have together.
const BYTES: usize = 128 << 10;
/// How many times the conversation a value may hold.
const TIMES: usize = 4;

/// The size of a value, each part counted as often as it is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    parts: usize,
    bytes: usize,
}

impl Size {
    /// The most that a value may have, for a template of so many bytes and what it is given.
    pub(super) fn limit(source: usize, given: Self) -> Self {
        let times = |size: usize| size.saturating_mul(TIMES);
        Self {
            parts: times(given.parts).saturating_add(PARTS),
            bytes: (BYTES + source).saturating_add(times(given.bytes)),
        }
    }

    /// The size of what comes from outside.
    pub(super) fn of_given(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let inner = match value {
            Json::String(text) => return Self { parts: 1, bytes: text.len() },
            Json::Array(items) => items.iter().map(Self::of_given).fold(Self::default(), Self::and),
            Json::Object(items) => {
                let items =
                    items.iter().map(|(key, value)| Self { parts: 1, bytes: key.len() }.and(Self::of_given(value)));
                items.fold(Self::default(), Self::and)
            }
            _ => Self::default(),
        };
        inner.and(Self { parts: 1, bytes: 0 })
    }

    /// The size of texts.
    pub(super) fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        texts.map(|text| Self { parts: 1, bytes: text.len() }).fold(Self::default(), Self::and)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { parts: self.parts.saturating_add(other.parts), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// A value that gets a name. What is computed item by item is computed now, so that its steps do
/// not nest.
pub(super) fn bounded(state: &State<'_, '_>, value: &Value, limit: Size, held: bool) -> Result<Value, Error> {
    let mut measure = Measure { left: limit, held };
    let settled = measure.settle(value, 0)?;
    let (parts, bytes) = (limit.parts - measure.left.parts, limit.bytes - measure.left.bytes);
    state.consume_fuel((parts / 4 + bytes / 1024) as u64)?;
    Ok(settled.unwrap_or_else(|| value.clone()))
}

/// The function `namespace`, whose parts are bounded, too.
pub(super) fn namespace(state: &State<'_, '_>, parts: Option<ValueOrKwargs>, limit: Size) -> Result<Value, Error> {
    let Some(parts) = parts.map(Value::from) else { return functions::namespace(None) };
    if parts.kind() != ValueKind::Map {
        return functions::namespace(Some(parts.into()));
    }
    let part = |key: Value| Ok((key.clone(), bounded(state, &parts.get_item(&key)?, limit, true)?));
    let pairs: Result<Vec<(Value, Value)>, Error> = parts.try_iter()?.map(part).collect();
    functions::namespace(Some(Value::from_pairs(pairs?).into()))
}

/// The bytes of a value that is written, about: an error where it is too large.
pub(super) fn written_bytes(value: &Value, limit: Size) -> Result<usize, Error> {
    let mut measure = Measure { left: limit, held: false };
    measure.settle(value, 0)?;
    Ok(limit.bytes - measure.left.bytes + 8 * (limit.parts - measure.left.parts) + 32)
}

struct Measure {
    left: Size,
    /// Whether it becomes a part of a namespace: then it may hold none, or one could hold itself.
    held: bool,
}

impl Measure {
    /// The value with lists in place of what is computed item by item, if there is any in it.
    fn settle(&mut self, value: &Value, depth: usize) -> Result<Option<Value>, Error> {
        self.take(1, value.as_str().map_or(0, str::len))?;
        let kind = value.kind();
        if kind == ValueKind::Invalid {
            return Err(Error::new(ErrorKind::BadSerialization, "a value that could not be computed"));
        }
        if !matches!(kind, ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
            return Ok(None);
        }
        if depth == MAX_DEPTH {
            return Err(refuse(format!("a value in more than {MAX_DEPTH} others")));
        }
        let is_namespace = value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"));
        if is_namespace && self.held {
            return Err(refuse(String::from("a namespace in a namespace")));
        }
        let mut changed = kind == ValueKind::Iterable;
        let mut settle = |value: Value| -> Result<Value, Error> {
            let settled = self.settle(&value, depth + 1)?;
            changed |= settled.is_some();
            Ok(settled.unwrap_or(value))
        };
        let settled = if kind == ValueKind::Map {
            let pair = |key: Value| Ok((settle(key.clone())?, settle(value.get_item(&key)?)?));
            let pairs: Result<Vec<(Value, Value)>, Error> = value.try_iter()?.map(pair).collect();
            Value::from_pairs(pairs?)
        } else {
            let items: Result<Vec<Value>, Error> = value.try_iter()?.map(settle).collect();
            Value::from(items?)
        };
        Ok(changed.then_some(settled))
    }

    fn take(&mut self, parts: usize, bytes: usize) -> Result<(), Error> {
        let left = self.left.parts.checked_sub(parts).zip(self.left.bytes.checked_sub(bytes));
        let (parts, bytes) = left.ok_or_else(|| refuse(String::from("a value of too many parts or bytes")))?;
        self.left = Size { parts, bytes };
        Ok(())
    }
}

fn refuse(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{what} is not kept"))
}
