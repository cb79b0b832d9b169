//! Numbers that others have published, as a configuration has them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a publication says of a strategy on a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedConfig {
    /// The table or figure.
    pub source: String,
    /// The strategy of this file that it speaks of.
    pub strategy: String,
    /// The data set of this file, an attacked one.
    pub data: String,
    /// The judge of this file whose verdicts compare with the published ones.
    pub judge: String,
    /// The numbers.
    pub points: Vec<PublishedPoint>,
}

/// A published measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedPoint {
    /// The budget, where it is published.
    pub budget: Option<u64>,
    /// The attack success rate, a share from 0 to 1.
    pub asr: f64,
    /// TFLOP a prompt, where published, as the publication counts them.
    pub tflop: Option<f64>,
}

/// Why a published number cannot stand in a configuration. Fields are named as in
/// `published[0].points[2].asr`.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// A name that the file gives to nothing.
    #[error("{field}: expected one of {}, found `{found}`", known.join(", "))]
    Unknown {
        /// Where it stands.
        field: String,
        /// The names that would do.
        known: Vec<String>,
        /// The name.
        found: String,
    },
    /// A number that is none of its kind.
    #[error("{field}: expected {expected}, found {found}")]
    OutOfRange {
        /// Where it stands.
        field: String,
        /// What its kind is.
        expected: &'static str,
        /// The number.
        found: f64,
    },
    /// Nothing where something must be.
    #[error("{field}: expected something, found nothing")]
    Empty {
        /// Where it stands.
        field: String,
    },
}
