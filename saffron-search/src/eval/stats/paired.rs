//! Two runs over the same prompts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Interval, Share, StatsError};

/// How two runs did on the same prompts: the four cells of a 2×2 table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {
    /// Prompts that hit in both runs.
    pub both: u32,
    /// Prompts that hit in the first run alone.
    pub first_only: u32,
    /// Prompts that hit in the second run alone.
    pub second_only: u32,
    /// Prompts that hit in neither.
    pub neither: u32,
}

/// The first run's share less the second's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference of the shares.
    pub value: f64,
    /// Its interval.
    pub interval: Interval,
}

impl Paired {
    /// Pairs two runs by prompt id.
    ///
    /// # Errors
    ///
    /// A prompt that only one of them has.
    pub fn of(first: &BTreeMap<String, bool>, second: &BTreeMap<String, bool>) -> Result<Self, StatsError> {
        check_same_prompts(first, second)?;
        let hits = first.values().zip(second.values());
        Ok(hits.fold(Self::default(), |mut table, (first, second)| {
            table.add(*first, *second);
            table
        }))
    }

    /// Adds a pair: whether the prompt hit in the first run, and whether it did in the second.
    pub fn add(&mut self, first: bool, second: bool) {
        *self.cell(first, second) += 1;
    }

    fn cell(&mut self, first: bool, second: bool) -> &mut u32 {
        match (first, second) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.first_only,
            (false, true) => &mut self.second_only,
            (false, false) => &mut self.neither,
        }
    }

    /// Hits of the first run more than of the second.
    pub(super) fn surplus(&self) -> i64 {
        i64::from(self.first_only) - i64::from(self.second_only)
    }

    /// The pairs of both tables.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            both: self.both.saturating_add(other.both),
            first_only: self.first_only.saturating_add(other.first_only),
            second_only: self.second_only.saturating_add(other.second_only),
            neither: self.neither.saturating_add(other.neither),
        }
    }

    /// Number of pairs.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        [self.both, self.first_only, self.second_only, self.neither].into_iter().map(u64::from).sum()
    }

    /// McNemar's exact test: how probable pairs that disagree as unevenly as these, or more so, are when neither run is
    /// better. Two-sided, from the binomial distribution; 1 when no pair disagrees.
    #[must_use]
    pub fn mcnemar(&self) -> f64 {
        let (fewer, more) = (self.first_only.min(self.second_only), self.first_only.max(self.second_only));
        if fewer == more { 1.0 } else { (2.0 * fair_tail(fewer, u64::from(fewer) + u64::from(more))).min(1.0) }
    }

    /// The difference of the two shares with the interval of Newcombe's method 10 (Statistics in Medicine 17, 1998,
    /// 2635–2650): Wilson's intervals of both, joined by their correlation. None without a pair.
    #[must_use]
    pub fn difference(&self, z: f64) -> Option<Difference> {
        let (first, second) = self.sides(z)?;
        let value = (f64::from(self.first_only) - f64::from(self.second_only)) / self.pairs() as f64;
        let correlation = self.correlation();
        let reach =
            |one: f64, other: f64| (one * one - 2.0 * correlation * one * other + other * other).max(0.0).sqrt();
        let (below, above) = (reach(first.below, second.above), reach(first.above, second.below));
        Some(Difference { value, interval: Interval { low: value - below, high: value + above } })
    }

    fn sides(&self, z: f64) -> Option<(Reach, Reach)> {
        let of = self.pairs();
        let hits = |alone: u32| u64::from(self.both) + u64::from(alone);
        Some((Reach::of(hits(self.first_only), of, z)?, Reach::of(hits(self.second_only), of, z)?))
    }

    /// The φ coefficient, corrected for continuity as the method has it.
    fn correlation(&self) -> f64 {
        let [both, first, second, neither] =
            [self.both, self.first_only, self.second_only, self.neither].map(f64::from);
        let margins = (both + first) * (second + neither) * (both + second) * (first + neither);
        let product = both * neither - first * second;
        let corrected = if product > 0.0 { (product - self.pairs() as f64 / 2.0).max(0.0) } else { product };
        if margins > 0.0 { corrected / margins.sqrt() } else { 0.0 }
    }
}

/// How far a share's interval reaches to either side of it.
struct Reach {
    below: f64,
    above: f64,
}

impl Reach {
    fn of(hits: u64, of: u64, z: f64) -> Option<Self> {
        let share = Share::new(hits, of).ok()?;
        let (value, interval) = (share.value()?, share.wilson(z));
        Some(Self { below: value - interval.low, above: interval.high - value })
    }
}

/// The probability of at most `heads` heads in `tosses` of a fair coin, fewer than half of them: the greatest term
/// times the sum of all terms over it.
fn fair_tail(heads: u32, tosses: u64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for place in (1..=heads).map(f64::from).rev() {
        term *= place / (tosses as f64 - place + 1.0);
        sum += term;
    }
    fair_chance(heads, tosses) * sum
}

/// The probability of exactly `heads` heads. Halves as it multiplies, so that nothing overflows and no logarithm loses
/// digits.
fn fair_chance(heads: u32, tosses: u64) -> f64 {
    let rest = tosses as f64 - f64::from(heads);
    let (mut chance, mut halvings) = (1.0, tosses);
    for place in (1..=heads).map(f64::from) {
        chance *= (rest + place) / place;
        while chance > 1.0 && halvings > 0 {
            chance /= 2.0;
            halvings -= 1;
        }
    }
    chance * 0.5f64.powi(i32::try_from(halvings).unwrap_or(i32::MAX))
}

fn check_same_prompts(first: &BTreeMap<String, bool>, second: &BTreeMap<String, bool>) -> Result<(), StatsError> {
    let missing = |these: &BTreeMap<String, bool>, those: &BTreeMap<String, bool>| -> Vec<String> {
        these.keys().filter(|prompt| !those.contains_key(*prompt)).cloned().collect()
    };
    let (only_first, only_second) = (missing(first, second), missing(second, first));
    match only_first.iter().chain(&only_second).min() {
        Some(prompt) => Err(StatsError::DifferentPrompts {
            first: only_first.len(),
            second: only_second.len(),
            prompt: prompt.clone(),
        }),
        None => Ok(()),
    }
}
