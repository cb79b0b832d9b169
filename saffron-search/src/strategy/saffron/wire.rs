//! A Saffron search as data: options that are not named are those of the preset.

use std::fmt;

use saffron_core::Preset;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Adaptive, DeadEnd, SaffronOptions};
use crate::strategy::PathScore;

/// The fields of a search but for its width.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    preset: Preset,
    #[serde(default)]
    options: Changes,
}

/// What differs from the preset's options. All options are written. The candidates of a preset are
/// not: the numbers of a released preset do not change.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    score: Option<PathScore>,
    prior: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ceiling: Option<Ceiling>,
    dead_end: Option<DeadEnd>,
    adaptive: Option<Adaptive>,
}

/// A ceiling, or the word `none`.
struct Ceiling(Option<f32>);

/// Reads preset and options.
pub(in crate::strategy) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Preset, SaffronOptions), D::Error> {
    let Fields { preset, options: changes } = Fields::deserialize(deserializer)?;
    let own = SaffronOptions::of(preset);
    let options = SaffronOptions {
        score: changes.score.unwrap_or(own.score),
        prior: changes.prior.unwrap_or(own.prior),
        ceiling: changes.ceiling.map_or(own.ceiling, |ceiling| ceiling.0),
        dead_end: changes.dead_end.unwrap_or(own.dead_end),
        adaptive: changes.adaptive.or(own.adaptive),
    };
    Ok((preset, options))
}

/// Writes preset and options.
pub(in crate::strategy) fn serialize<S: Serializer>(
    preset: &Preset,
    options: &SaffronOptions,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let ceiling = match (options.ceiling, SaffronOptions::of(*preset).ceiling) {
        (None, None) => None,
        (ceiling, _) => Some(Ceiling(ceiling)),
    };
    let options = Changes {
        score: Some(options.score),
        prior: Some(options.prior),
        ceiling,
        dead_end: Some(options.dead_end),
        adaptive: options.adaptive,
    };
    Fields { preset: *preset, options }.serialize(serializer)
}

impl Serialize for Ceiling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(value) => serializer.serialize_f32(value),
            None => serializer.serialize_str("none"),
        }
    }
}

impl<'de> Deserialize<'de> for Ceiling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrNone)
    }
}

struct NumberOrNone;

impl Visitor<'_> for NumberOrNone {
    type Value = Ceiling;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or \"none\"")
    }

    #[allow(clippy::cast_possible_truncation, reason = "rewards are float32")]
    fn visit_f64<E: Error>(self, value: f64) -> Result<Ceiling, E> {
        Ok(Ceiling(Some(value as f32)))
    }

    #[allow(clippy::cast_precision_loss, reason = "rewards are float32")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Ceiling, E> {
        Ok(Ceiling(Some(value as f32)))
    }

    #[allow(clippy::cast_precision_loss, reason = "rewards are float32")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Ceiling, E> {
        Ok(Ceiling(Some(value as f32)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Ceiling, E> {
        match value {
            "none" => Ok(Ceiling(None)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
        }
    }
}
