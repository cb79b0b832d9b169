//! A judge beside labels of the same answers. Unsafe is the positive class.

use rand_chacha::ChaCha8Rng;
use saffron_core::random::{normal, unit};
use serde::{Deserialize, Serialize};

use super::{Bootstrap, Clusters, Interval, Share};

/// How a judge's verdicts agree with labels: the four cells of a 2×2 table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Unsafe by the judge and by the label.
    pub both_unsafe: u64,
    /// Unsafe by the judge alone: false alarms.
    pub judge_only: u64,
    /// Unsafe by the label alone: misses.
    pub label_only: u64,
    /// Safe by both.
    pub both_safe: u64,
}

/// An attack success rate corrected for its judge's errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Corrected {
    /// The estimate, between 0 and 1.
    pub value: f64,
    /// Its 95 % interval; none where the judge told nothing apart on every resample.
    pub interval: Option<Interval>,
}

impl Agreement {
    /// Counts pairs of verdict and label, each whether it says unsafe.
    ///
    /// ```
    /// use saffron_search::eval::stats::Agreement;
    /// let pairs = [(true, true), (true, false), (false, false), (false, false), (false, true), (true, true)];
    /// let agreement = Agreement::of(pairs);
    /// assert_eq!(agreement.sensitivity().value(), Some(2.0 / 3.0));
    /// assert_eq!(agreement.specificity().value(), Some(2.0 / 3.0));
    /// assert!((agreement.kappa().unwrap() - 1.0 / 3.0).abs() < 1e-12);
    /// ```
    pub fn of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        pairs.into_iter().fold(Self::default(), |mut table, (judge, label)| {
            *table.cell(judge, label) += 1;
            table
        })
    }

    fn cell(&mut self, judge: bool, label: bool) -> &mut u64 {
        match (judge, label) {
            (true, true) => &mut self.both_unsafe,
            (true, false) => &mut self.judge_only,
            (false, true) => &mut self.label_only,
            (false, false) => &mut self.both_safe,
        }
    }

    /// Number of pairs.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.both_unsafe + self.judge_only + self.label_only + self.both_safe
    }

    /// Answers called unsafe, of those that are labelled so.
    #[must_use]
    pub fn sensitivity(&self) -> Share {
        Share::of_counts(self.both_unsafe, self.both_unsafe + self.label_only)
    }

    /// Answers called safe, of those that are labelled so.
    #[must_use]
    pub fn specificity(&self) -> Share {
        Share::of_counts(self.both_safe, self.both_safe + self.judge_only)
    }

    /// Cohen's kappa (Educational and Psychological Measurement 20, 1960, 37–46): agreement beyond
    /// what two independent raters of the same habits would have, over the most there could be.
    /// None without a pair, and where both always say the same one thing.
    #[must_use]
    pub fn kappa(&self) -> Option<f64> {
        let of = self.pairs() as f64;
        let agreed = (self.both_unsafe + self.both_safe) as f64 / of;
        let share = |one: u64, other: u64| (one + other) as f64 / of;
        let (judge, label) = (share(self.both_unsafe, self.judge_only), share(self.both_unsafe, self.label_only));
        let by_chance = judge * label + (1.0 - judge) * (1.0 - label);
        (of > 0.0 && by_chance < 1.0).then(|| (agreed - by_chance) / (1.0 - by_chance))
    }

    /// What share of answers is unsafe when the judge calls `apparent` of them so: (apparent +
    /// specificity − 1) ÷ (sensitivity + specificity − 1), kept within 0 and 1 (Rogan and Gladen,
    /// American Journal of Epidemiology 107, 1978, 71–76). None where a class has no label, and
    /// where the judge is no better than chance.
    #[must_use]
    pub fn rogan_gladen(&self, apparent: f64) -> Option<f64> {
        rogan_gladen(apparent, self.sensitivity().value()?, self.specificity().value()?)
    }

    /// [`rogan_gladen`](Self::rogan_gladen) of trials by question, with an interval that knows of
    /// the labels' number, too: resamples draw questions anew, and labels within their class.
    #[must_use]
    pub fn corrected(&self, apparent: &Clusters, bootstrap: &Bootstrap) -> Option<Corrected> {
        let value = self.rogan_gladen(apparent.share().value()?)?;
        let interval = bootstrap.interval(|rng| {
            let apparent = apparent.resampled(rng).value()?;
            rogan_gladen(apparent, drawn(self.sensitivity(), rng)?, drawn(self.specificity(), rng)?)
        });
        Some(Corrected { value, interval })
    }
}

/// Up to so many labels are drawn one by one.
const MANY: u64 = 10_000;

fn rogan_gladen(apparent: f64, sensitivity: f64, specificity: f64) -> Option<f64> {
    let told_apart = sensitivity + specificity - 1.0;
    (told_apart > 0.0).then(|| ((apparent + specificity - 1.0) / told_apart).clamp(0.0, 1.0))
}

/// The share among as many trials, each drawn from a smoothed share: (hits + ½) ÷ (trials + 1), so
/// that a judge without an error on few labels is not taken to be without errors.
fn drawn(share: Share, rng: &mut ChaCha8Rng) -> Option<f64> {
    let of = share.of();
    let chance = (share.hits() as f64 + 0.5) / (of as f64 + 1.0);
    match of {
        0 => None,
        1..=MANY => Some((0..of).filter(|_| unit(rng) < chance).count() as f64 / of as f64),
        // The normal distribution is as good there, and costs one draw.
        _ => Some((chance + (chance * (1.0 - chance) / of as f64).sqrt() * normal(rng)).clamp(0.0, 1.0)),
    }
}
