//! What the strategies share that refuse: a text, and the threshold that an answer must reach.

use saffron_core::{ConfigError, SearchError};

/// The text of a refusal, unless another is set.
pub(super) fn usual_refusal() -> String {
    String::from("I can't help with that.")
}

/// Whether a reward reaches a threshold. One that is not known lies below all but −∞.
pub(super) fn reaches(reward: Option<f32>, threshold: f32) -> bool {
    reward.unwrap_or(f32::NEG_INFINITY) >= threshold
}

/// Infinite thresholds let everything or nothing through; NaN would compare with nothing.
pub(super) fn check_threshold(threshold: f32) -> Result<(), SearchError> {
    let expected = "[−∞, ∞]";
    match threshold.is_nan() {
        true => Err(ConfigError::OutOfRange { what: "threshold", expected, found: threshold }.into()),
        false => Ok(()),
    }
}

pub(super) fn check_refusal(refusal: &str) -> Result<(), SearchError> {
    match refusal.trim().is_empty() {
        true => Err(ConfigError::Blank { what: "refusal" }.into()),
        false => Ok(()),
    }
}

/// Refuses a share outside [0, 1].
pub(super) fn check_share(what: &'static str, share: f32) -> Result<(), SearchError> {
    match (0.0..=1.0).contains(&share) {
        true => Ok(()),
        false => Err(ConfigError::OutOfRange { what, expected: "[0, 1]", found: share }.into()),
    }
}

pub(super) fn check_count(what: &'static str, count: usize) -> Result<(), SearchError> {
    if count == 0 { Err(ConfigError::Zero { what }.into()) } else { Ok(()) }
}
