//! Numbers that may be infinite as JSON, which has none such: those are written by their names, and read back.

use std::fmt;

use serde::{Deserialize, Deserializer, Serializer, de};

const EXPECTED: &str = "a number, \"inf\" or \"-inf\"";

enum Wire {
    Number(f64),
    Name(String),
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrName)
    }
}

struct NumberOrName;

impl de::Visitor<'_> for NumberOrName {
    type Value = Wire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Wire, E> {
        Ok(Wire::Number(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Wire, E> {
        Ok(Wire::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Wire, E> {
        Ok(Wire::Number(value as f64))
    }

    fn visit_str<E>(self, name: &str) -> Result<Wire, E> {
        Ok(Wire::Name(name.to_owned()))
    }
}

pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_str(&value.to_string()) }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Wire::deserialize(deserializer)? {
        Wire::Number(value) => Ok(value),
        Wire::Name(name) => match name.as_str() {
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            other => Err(de::Error::custom(format!("expected {EXPECTED}, found {other:?}"))),
        },
    }
}
