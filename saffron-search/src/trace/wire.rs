//! Rewards as JSON: a number, `"unseen"`, or the name of a number that JSON does not have.

use saffron_core::ChildReward;
use saffron_core::wire::{NumberOrName, Wire};
use serde::{Deserialize, Deserializer, Serializer};

const UNSEEN: &str = "unseen";

/// A child's reward as it is written.
#[derive(Clone, Copy)]
struct WrittenReward(ChildReward);

impl NumberOrName for WrittenReward {
    const EXPECTED: &'static str = "a number, \"unseen\", \"inf\", \"-inf\" or \"NaN\"";

    fn from_number(number: f64) -> Self {
        Self(ChildReward::Seen(number as f32))
    }

    fn from_name(name: &str) -> Option<Self> {
        let reward = match name {
            UNSEEN => ChildReward::Unseen,
            "NaN" => ChildReward::Seen(f32::NAN),
            name => ChildReward::Seen(f32::from_name(name)?),
        };
        Some(Self(reward))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ChildReward::Seen(value) => value.write(serializer),
            ChildReward::Unseen => serializer.serialize_str(UNSEEN),
        }
    }
}

pub(super) fn serialize<S: Serializer>(reward: &ChildReward, serializer: S) -> Result<S::Ok, S::Error> {
    WrittenReward(*reward).write(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChildReward, D::Error> {
    Wire::deserialize(deserializer).map(|Wire(WrittenReward(reward))| reward)
}

/// Lists of rewards.
pub(super) mod lists {
    use serde::Serialize;

    use super::{ChildReward, Deserialize, Deserializer, Serializer, Wire, WrittenReward};

    type Lists = Vec<Vec<Wire<WrittenReward>>>;

    pub(in super::super) fn serialize<S: Serializer>(
        lists: &[Vec<ChildReward>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let written = |list: &Vec<ChildReward>| list.iter().map(|reward| Wire(WrittenReward(*reward))).collect();
        lists.iter().map(written).collect::<Lists>().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<ChildReward>>, D::Error> {
        let reward = |Wire(WrittenReward(reward))| reward;
        Ok(Lists::deserialize(deserializer)?.into_iter().map(|list| list.into_iter().map(reward).collect()).collect())
    }
}
