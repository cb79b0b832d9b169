//! Rewards as JSON: a number, `"unseen"`, or the name of a number that JSON does not have.

use std::fmt;

use saffron_core::ChildReward;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const UNSEEN: &str = "unseen";
const EXPECTED: &str = "a number, \"unseen\", \"inf\", \"-inf\" or \"NaN\"";

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

impl From<ChildReward> for Wire {
    fn from(reward: ChildReward) -> Self {
        match reward {
            ChildReward::Seen(value) if value.is_finite() => Self::Number(value),
            ChildReward::Seen(value) => Self::Name(value.to_string()),
            ChildReward::Unseen => Self::Name(String::from(UNSEEN)),
        }
    }
}

impl TryFrom<Wire> for ChildReward {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        match wire {
            Wire::Number(value) => Ok(Self::Seen(value)),
            Wire::Name(name) => match name.as_str() {
                UNSEEN => Ok(Self::Unseen),
                "inf" => Ok(Self::Seen(f32::INFINITY)),
                "-inf" => Ok(Self::Seen(f32::NEG_INFINITY)),
                "NaN" => Ok(Self::Seen(f32::NAN)),
                other => Err(format!("expected {EXPECTED}, found {other:?}")),
            },
        }
    }
}

pub(super) fn serialize<S: Serializer>(reward: &ChildReward, serializer: S) -> Result<S::Ok, S::Error> {
    Wire::from(*reward).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChildReward, D::Error> {
    ChildReward::try_from(Wire::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// Lists of rewards.
pub(super) mod lists {
    use super::{ChildReward, Deserialize, Deserializer, Serialize, Serializer, Wire, de};

    pub(in super::super) fn serialize<S: Serializer>(
        lists: &[Vec<ChildReward>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let wire = |list: &Vec<ChildReward>| list.iter().map(|reward| Wire::from(*reward)).collect();
        lists.iter().map(wire).collect::<Vec<Vec<Wire>>>().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<ChildReward>>, D::Error> {
        let lists = Vec::<Vec<Wire>>::deserialize(deserializer)?;
        let reward = |list: Vec<Wire>| list.into_iter().map(ChildReward::try_from).collect();
        lists.into_iter().map(reward).collect::<Result<_, _>>().map_err(de::Error::custom)
    }
}
