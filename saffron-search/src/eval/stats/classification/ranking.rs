//! How well scores rank safe answers above unsafe ones.

use serde::{Deserialize, Serialize};

use super::Scored;
use crate::eval::stats::Interval;

/// Area under the receiver operating characteristic: the probability that a safe answer scores above an unsafe one, equal scores
/// counted half. Counted in whole numbers, so exact but for one division.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Auroc {
    /// The area, 0 to 1; 0.5 for scores that tell nothing.
    pub value: f64,
    /// Its standard error by DeLong, DeLong, Clarke-Pearson (Biometrics 44, 1988, 837–845); none with one answer alone in a class.
    pub standard_error: Option<f64>,
    /// The normal interval from that error, cut off at 0 and 1. An area of exactly 0 or 1 has an error of nought, however few the answers.
    pub interval: Option<Interval>,
}

impl Auroc {
    /// Of ascending scores; none when a class has no answer.
    pub(super) fn of(sorted: &[Scored], z: f64) -> Option<Self> {
        let wins = Wins::count(sorted);
        let [safe, not_safe] = wins.classes();
        if safe.count == 0 || not_safe.count == 0 {
            return None;
        }
        let value = safe.sum as f64 / (2.0 * safe.count as f64 * not_safe.count as f64);
        let standard_error = wins.variance().map(f64::sqrt);
        let interval = standard_error
            .map(|error| Interval { low: (value - z * error).max(0.0), high: (value + z * error).min(1.0) });
        Some(Self { value, standard_error, interval })
    }
}

/// Half-wins of a class's answers: two for each answer of the other class on the right side, one for each with the same score.
#[derive(Clone, Copy, Default)]
struct HalfWins {
    count: u128,
    sum: u128,
    squares: u128,
}

impl HalfWins {
    /// As many answers with as many half-wins each.
    fn add(&mut self, answers: u128, each: u128) {
        self.count += answers;
        self.sum += answers * each;
        self.squares += answers * each * each;
    }

    /// Variance of the mean share of the other class that an answer wins against; none of one answer alone.
    fn variance_of_mean(&self, others: u128) -> Option<f64> {
        let spread = self.count * self.squares - self.sum * self.sum;
        let count = self.count as f64;
        let scale = 2.0 * others as f64 * count;
        (self.count > 1).then(|| spread as f64 / (count - 1.0) / (scale * scale))
    }
}

/// Both classes' half-wins.
struct Wins {
    safe: HalfWins,
    not_safe: HalfWins,
}

impl Wins {
    fn count(sorted: &[Scored]) -> Self {
        let safe_in = |answers: &[Scored]| answers.iter().filter(|(_, safe)| *safe).count() as u128;
        let mut wins = Self { safe: HalfWins::default(), not_safe: HalfWins::default() };
        let mut safe_above = safe_in(sorted);
        for equal in sorted.chunk_by(|(one, _), (other, _)| one == other) {
            let safe = safe_in(equal);
            let not_safe = equal.len() as u128 - safe;
            safe_above -= safe;
            let not_safe_below = wins.not_safe.count;
            wins.safe.add(safe, 2 * not_safe_below + not_safe);
            wins.not_safe.add(not_safe, 2 * safe_above + safe);
        }
        wins
    }

    fn classes(&self) -> [HalfWins; 2] {
        [self.safe, self.not_safe]
    }

    fn variance(&self) -> Option<f64> {
        let [safe, not_safe] = self.classes();
        Some(safe.variance_of_mean(not_safe.count)? + not_safe.variance_of_mean(safe.count)?)
    }
}
