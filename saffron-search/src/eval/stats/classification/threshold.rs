//! The threshold that gets most answers right.

use serde::{Deserialize, Serialize};

use super::Scored;
use crate::eval::stats::Share;

/// A threshold and how the answers fare that it was chosen on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestThreshold {
    /// Answers that score it or more are called safe: a score that occurs, the lowest of equally good ones, or infinity (in JSON `"inf"`)
    /// where it is best to call none safe.
    #[serde(with = "saffron_core::wire")]
    pub at: f64,
    /// Answers that are what it calls them.
    pub accuracy: Share,
}

impl BestThreshold {
    /// Of ascending scores.
    pub(super) fn of(sorted: &[Scored]) -> Self {
        let right_in = |answers: &[Scored], class| answers.iter().filter(|(_, safe)| *safe == class).count();
        let mut right = right_in(sorted, true);
        let (mut best, mut most) = (f64::NEG_INFINITY, None);
        let mut offer = |at: f64, right: usize| {
            if most.is_none_or(|most| right > most) {
                (best, most) = (at, Some(right));
            }
        };
        for equal in sorted.chunk_by(|(one, _), (other, _)| one == other) {
            offer(equal[0].0, right);
            right = right + right_in(equal, false) - right_in(equal, true);
        }
        offer(f64::INFINITY, right);
        let most = most.unwrap_or(0) as u64;
        Self { at: best, accuracy: Share::of_counts(most, sorted.len() as u64) }
    }
}
