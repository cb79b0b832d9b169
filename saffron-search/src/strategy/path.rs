//! The score of a path, from the rewards along it.

use serde::{Deserialize, Serialize};

/// How the rewards along a path make its score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathScore {
    /// The last reward alone (Saffron paper, Eq. 3).
    #[default]
    Last,
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The lowest of them.
    Min,
}

impl std::fmt::Display for PathScore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Min => "min",
        })
    }
}

/// The rewards of a path, as far as scores need them.
///
/// ```
/// use saffron_search::strategy::{PathRewards, PathScore};
/// let path = PathRewards::default().then(Some(1.0)).then(None).then(Some(-3.0));
/// assert_eq!(PathScore::Last.of(&path), Some(-3.0));
/// assert_eq!(PathScore::Mean.of(&path), Some(-1.0));
/// assert_eq!(PathScore::Sum.of(&path), Some(-2.0));
/// assert_eq!(PathScore::Min.of(&path), Some(-3.0));
/// assert_eq!(PathScore::Last.of(&PathRewards::default()), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathRewards {
    last: Option<f32>,
    sum: f64,
    count: u32,
    min: f32,
}

impl PathRewards {
    /// The path one step longer. A step without a reward changes nothing.
    #[must_use]
    pub fn then(self, reward: Option<f32>) -> Self {
        let Some(reward) = reward else { return self };
        Self {
            last: Some(reward),
            sum: plus(self.sum, reward),
            count: self.count + 1,
            min: if self.count == 0 { reward } else { self.min.min(reward) },
        }
    }
}

/// A sum with one more reward. −∞ rules out whatever else there is, +∞ included.
pub(super) fn plus(sum: f64, reward: f32) -> f64 {
    let sum = sum + f64::from(reward);
    if sum.is_nan() { f64::NEG_INFINITY } else { sum }
}

impl PathScore {
    /// The score; none for a path without a reward.
    #[must_use]
    pub fn of(self, path: &PathRewards) -> Option<f32> {
        let last = path.last?;
        Some(match self {
            Self::Last => last,
            Self::Mean => (path.sum / f64::from(path.count)) as f32,
            Self::Sum => path.sum as f32,
            Self::Min => path.min,
        })
    }
}
