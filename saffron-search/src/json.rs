//! JSON from others: its values take a bounded part of memory, and no object has a key twice.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What an element of an array takes, with the room that a growing vector keeps.
const ELEMENT: u64 = 64;
/// What an object takes: the first node of its tree has room for eleven entries.
const OBJECT: u64 = 640;
/// What an entry of an object takes besides its key's text.
const ENTRY: u64 = 96;
/// What a text takes besides its bytes.
const TEXT: u64 = 32;

/// How much memory values may still take, by an estimate that is rather too high.
#[derive(Debug)]
pub(crate) struct Meter {
    left: Cell<u64>,
    spent: Cell<bool>,
}

impl Meter {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { left: Cell::new(bytes), spent: Cell::new(false) }
    }

    /// Whether more was asked for than there was.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.get()
    }

    /// Takes bytes; false where there are not so many left.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        match self.left.get().checked_sub(bytes) {
            Some(left) => self.left.set(left),
            None => self.spent.set(true),
        }
        !self.is_spent()
    }

    fn charge<E: Error>(&self, bytes: u64) -> Result<(), E> {
        if self.take(bytes) { Ok(()) } else { Err(E::custom("its values take more memory than is allowed")) }
    }
}

/// Reads one value on a meter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metered<'a>(pub(crate) &'a Meter);

/// A whole text as one value on a meter.
pub(crate) fn from_slice(bytes: &[u8], meter: &Meter) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Metered(meter).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

impl<'de> DeserializeSeed<'de> for Metered<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Metered<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.charge(TEXT + value.len() as u64)?;
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.0.charge(TEXT + value.len() as u64)?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(self)? {
            self.0.charge(ELEMENT)?;
            elements.push(element);
        }
        Ok(elements.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        self.0.charge(OBJECT)?;
        while let Some(key) = entries.next_key::<String>()? {
            self.0.charge(ENTRY + key.len() as u64)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("an object has the key {} twice", quoted(&key))));
            }
            let value = entries.next_value_seed(self)?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

/// A key, cut where it is long.
fn quoted(key: &str) -> String {
    let shown: String = key.chars().take(100).collect();
    format!("{shown:?}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_what_serde_json_reads() {
        let text = r#" {"a": [1, -2, 0.5, null, true, "ß\n"], "b": {"c": {}}, "big": 18446744073709551615} "#;
        let value = from_slice(text.as_bytes(), &Meter::new(1 << 20)).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert!(from_slice(b"{} {}", &Meter::new(1 << 20)).is_err());
    }

    #[test]
    fn a_key_twice_is_refused_at_any_depth() {
        for text in [r#"{"a": 1, "a": 1}"#, r#"[{"b": {"a": 1, "c": 2, "a": 3}}]"#] {
            let error = from_slice(text.as_bytes(), &Meter::new(1 << 20)).unwrap_err().to_string();
            assert!(error.starts_with("an object has the key \"a\" twice"), "{error}");
        }
        assert_eq!(from_slice(br#"[{"a": 1}, {"a": 1}]"#, &Meter::new(1 << 20)).unwrap(), json!([{"a": 1}, {"a": 1}]));
    }

    #[test]
    fn memory_is_counted_by_values() {
        let objects = format!("[{}{{}}]", "{},".repeat(999));
        let meter = Meter::new(1000 * OBJECT);
        assert!(from_slice(objects.as_bytes(), &meter).is_err() && meter.is_spent());
        let meter = Meter::new(1000 * (OBJECT + ELEMENT));
        assert!(from_slice(objects.as_bytes(), &meter).is_ok() && !meter.is_spent());
    }
}
