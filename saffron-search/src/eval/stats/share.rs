//! A share of trials and its interval.

use serde::{Deserialize, Serialize};

use super::StatsError;

/// The two-sided 95 % point of the standard normal distribution.
pub const Z95: f64 = 1.959_963_984_540_054;

/// An interval, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// So many hits in so many trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Counts")]
pub struct Share {
    hits: u64,
    of: u64,
}

/// A share as it is read, before anything is believed.
#[derive(Deserialize)]
struct Counts {
    hits: u64,
    of: u64,
}

impl TryFrom<Counts> for Share {
    type Error = StatsError;

    fn try_from(counts: Counts) -> Result<Self, StatsError> {
        Self::new(counts.hits, counts.of)
    }
}

impl Share {
    /// `hits` in `of` trials.
    ///
    /// # Errors
    ///
    /// More hits than trials.
    pub fn new(hits: u64, of: u64) -> Result<Self, StatsError> {
        if hits > of { Err(StatsError::HitsExceedTrials { hits, of }) } else { Ok(Self { hits, of }) }
    }

    /// Counts the trials that are `true`.
    pub fn count(trials: impl IntoIterator<Item = bool>) -> Self {
        trials
            .into_iter()
            .fold(Self::default(), |share, hit| Self { hits: share.hits + u64::from(hit), of: share.of + 1 })
    }

    /// Counts that are known to be in order.
    pub(super) fn of_counts(hits: u64, of: u64) -> Self {
        Self { hits: hits.min(of), of }
    }

    /// The trials that hit.
    #[must_use]
    pub fn hits(self) -> u64 {
        self.hits
    }

    /// All trials.
    #[must_use]
    pub fn of(self) -> u64 {
        self.of
    }

    /// Hits over trials; none without a trial.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// The Wilson score interval (Wilson 1927) at `z` standard deviations, [`Z95`] for 95 %. Without a trial, or with a
    /// `z` that is no positive finite number, nothing is known: 0 to 1.
    #[must_use]
    pub fn wilson(self, z: f64) -> Interval {
        let Some(share) = self.value().filter(|_| z > 0.0 && z.is_finite()) else {
            return Interval { low: 0.0, high: 1.0 };
        };
        let (trials, squared) = (self.of as f64, z * z);
        let weight = 1.0 / (1.0 + squared / trials);
        let middle = weight * (share + squared / (2.0 * trials));
        let spread = share * (1.0 - share) / trials + squared / (4.0 * trials * trials);
        let half = weight * z * spread.sqrt();
        Interval {
            low: if self.hits == 0 { 0.0 } else { (middle - half).max(0.0) },
            high: if self.hits == self.of { 1.0 } else { (middle + half).min(1.0) },
        }
    }
}
