//! Rewards as JSON, which has no infinite numbers: those are written by their names, and read back.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const EXPECTED: &str = "a number, \"inf\" or \"-inf\"";

#[derive(Serialize)]
#[serde(untagged)]
enum Wire {
    Number(f32),
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
        Ok(Wire::Number(value as f32))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Wire, E> {
        Ok(Wire::Number(value as f32))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Wire, E> {
        Ok(Wire::Number(value as f32))
    }

    fn visit_str<E>(self, name: &str) -> Result<Wire, E> {
        Ok(Wire::Name(name.to_owned()))
    }
}

impl From<f32> for Wire {
    fn from(value: f32) -> Self {
        if value.is_finite() { Self::Number(value) } else { Self::Name(value.to_string()) }
    }
}

impl TryFrom<Wire> for f32 {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        match wire {
            Wire::Number(value) => Ok(value),
            Wire::Name(name) => match name.as_str() {
                "inf" => Ok(Self::INFINITY),
                "-inf" => Ok(Self::NEG_INFINITY),
                other => Err(format!("expected {EXPECTED}, found {other:?}")),
            },
        }
    }
}

/// A reward.
pub(crate) mod reward {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Wire, de};

    pub(crate) fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        Wire::from(*value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        f32::try_from(Wire::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A reward that may be missing.
pub(crate) mod maybe_reward {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Wire, de};

    pub(crate) fn serialize<S: Serializer>(value: &Option<f32>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Wire::from).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
        let wire = Option::<Wire>::deserialize(deserializer)?;
        wire.map(f32::try_from).transpose().map_err(de::Error::custom)
    }
}
