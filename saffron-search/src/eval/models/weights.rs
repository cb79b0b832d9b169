//! The type of weights, without tensors.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The type of a model's weights and activations.
///
/// ```
/// use saffron_search::eval::models::WeightType;
/// assert_eq!("bf16".parse(), Ok(WeightType::Bf16));
/// assert_eq!("f64".parse::<WeightType>().unwrap_err().to_string(), "expected f32, f16 or bf16, found `f64`");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightType {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, IEEE.
    F16,
    /// 16 bits with the exponent of 32.
    Bf16,
}

/// A name of no [`WeightType`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected f32, f16 or bf16, found `{found}`")]
pub struct UnknownWeightType {
    /// The name.
    pub found: String,
}

impl WeightType {
    /// All types.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// Its name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether it is float32, so that nothing is rounded.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub fn is_full(&self) -> bool {
        *self == Self::F32
    }
}

impl fmt::Display for WeightType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WeightType {
    type Err = UnknownWeightType;

    fn from_str(name: &str) -> Result<Self, UnknownWeightType> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| UnknownWeightType { found: name.to_owned() })
    }
}
