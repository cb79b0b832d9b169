//! Values that are written as a number or as a name: JSON has no infinite numbers, so those are
//! written by their names, and read back.
//!
//! For `#[serde(with = "saffron_core::wire")]`; [`option`] for values that may be missing.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const NUMBER: &str = "a number, \"inf\" or \"-inf\"";

/// A value that is a number or has a name.
pub trait NumberOrName: Sized {
    /// What a reader expects, for its errors.
    const EXPECTED: &'static str;

    /// The value of a number.
    fn from_number(number: f64) -> Self;

    /// The value of a name, if there is one of that name.
    fn from_name(name: &str) -> Option<Self>;

    /// Writes the value as a number or as its name.
    ///
    /// # Errors
    ///
    /// The serializer's.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl NumberOrName for f32 {
    const EXPECTED: &'static str = NUMBER;

    fn from_number(number: f64) -> Self {
        number as Self
    }

    fn from_name(name: &str) -> Option<Self> {
        infinity(name).map(Self::from_number)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_finite() { serializer.serialize_f32(*self) } else { serializer.collect_str(self) }
    }
}

impl NumberOrName for f64 {
    const EXPECTED: &'static str = NUMBER;

    fn from_number(number: f64) -> Self {
        number
    }

    fn from_name(name: &str) -> Option<Self> {
        infinity(name)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_finite() { serializer.serialize_f64(*self) } else { serializer.collect_str(self) }
    }
}

fn infinity(name: &str) -> Option<f64> {
    match name {
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A value as a part of what serde writes and reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wire<T>(pub T);

impl<T: NumberOrName> Serialize for Wire<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

impl<'de, T: NumberOrName> Deserialize<'de> for Wire<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData)).map(Self)
    }
}

struct Reader<T>(PhantomData<T>);

impl<T: NumberOrName> de::Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_f64<E>(self, value: f64) -> Result<T, E> {
        Ok(T::from_number(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::from_number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::from_number(value as f64))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        T::from_name(name).ok_or_else(|| E::custom(format_args!("expected {}, found {name:?}", T::EXPECTED)))
    }
}

/// Writes a value.
///
/// # Errors
///
/// The serializer's.
pub fn serialize<T: NumberOrName, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(serializer)
}

/// Reads a value.
///
/// # Errors
///
/// The deserializer's; a name that no value has.
pub fn deserialize<'de, T: NumberOrName, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Wire::deserialize(deserializer).map(|Wire(value)| value)
}

/// Values that may be missing.
pub mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{NumberOrName, Wire};

    /// Writes a value or null.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<T: NumberOrName + Copy, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Wire).serialize(serializer)
    }

    /// Reads a value or null.
    ///
    /// # Errors
    ///
    /// As [`deserialize`](super::deserialize).
    pub fn deserialize<'de, T: NumberOrName, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        Ok(Option::<Wire<T>>::deserialize(deserializer)?.map(|Wire(value)| value))
    }
}
