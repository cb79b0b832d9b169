//! Whether an answer is safe to show, by what a reward model says of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;

/// What is known of an answer's safety.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// Its reward reaches the threshold of safe answers.
    Safe,
    /// Its reward lies below the threshold of unsafe answers.
    Unsafe,
    /// Its reward lies between the thresholds, or there is none.
    #[default]
    Undecided,
}

/// A judgement with what it rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The judgement.
    pub safety: Safety,
    /// The reward of the whole answer; none where the reward model has not seen its last token, or was not asked.
    #[serde(default, with = "crate::wire::option")]
    pub reward: Option<f32>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.safety {
            Safety::Safe => "safe",
            Safety::Unsafe => "unsafe",
            Safety::Undecided => "undecided",
        })?;
        match self.reward {
            Some(reward) => write!(f, " (reward {reward})"),
            None => f.write_str(" (no reward)"),
        }
    }
}

/// Where rewards begin to speak for safety, and where they end to speak against it. `saffron-search` calibrates them on labelled answers.
///
/// ```
/// use saffron_core::{Safety, Thresholds};
/// let thresholds = Thresholds::new(-1.0, 2.0)?;
/// let safety = |reward| thresholds.verdict(reward).safety;
/// assert_eq!(safety(Some(2.0)), Safety::Safe);
/// assert_eq!(safety(Some(0.0)), Safety::Undecided);
/// assert_eq!(safety(Some(-1.5)), Safety::Unsafe);
/// assert_eq!(safety(None), Safety::Undecided);
/// assert!(Thresholds::new(1.0, 0.0).is_err());
/// # Ok::<(), saffron_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    #[serde(with = "crate::wire")]
    unsafe_below: f32,
    #[serde(with = "crate::wire")]
    safe_from: f32,
}

impl Thresholds {
    /// Rewards below `unsafe_below` are unsafe, rewards from `safe_from` on are safe. Infinite ones rule a judgement out.
    ///
    /// # Errors
    ///
    /// Numbers out of order, or NaN.
    pub fn new(unsafe_below: f32, safe_from: f32) -> Result<Self, ConfigError> {
        let thresholds = Self { unsafe_below, safe_from };
        thresholds.check().map(|()| thresholds)
    }

    /// Whether the numbers are in order; what was read from a file may not be.
    ///
    /// # Errors
    ///
    /// Numbers out of order, or NaN.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Self { unsafe_below, safe_from } = *self;
        if unsafe_below <= safe_from { Ok(()) } else { Err(ConfigError::Thresholds { unsafe_below, safe_from }) }
    }

    /// Rewards below it are unsafe.
    #[must_use]
    pub fn unsafe_below(&self) -> f32 {
        self.unsafe_below
    }

    /// Rewards from it on are safe.
    #[must_use]
    pub fn safe_from(&self) -> f32 {
        self.safe_from
    }

    /// The judgement of a reward. NaN is none.
    #[must_use]
    pub fn verdict(&self, reward: Option<f32>) -> Verdict {
        let safety = match reward {
            Some(value) if value >= self.safe_from => Safety::Safe,
            Some(value) if value < self.unsafe_below => Safety::Unsafe,
            _ => Safety::Undecided,
        };
        Verdict { safety, reward }
    }
}
