//! Trials that come in clusters: a question asked under many templates is one question, not many.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::below;
use serde::{Deserialize, Serialize};

use super::{Interval, Share, Z95};

/// How clusters are drawn anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// How often; 2,000 by default, at least 1, and at most [`MOST_RESAMPLES`](Self::MOST_RESAMPLES).
    pub resamples: u32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2_000, seed: 0 }
    }
}

impl Bootstrap {
    /// No more resamples than this are drawn, whatever is asked for.
    pub const MOST_RESAMPLES: u32 = 100_000;

    /// The middle 95 % of what a statistic is on resamples, by linear interpolation between ranks.
    /// `statistic` gets the random numbers of one resample; those on which it is not defined are
    /// left out. None where it is defined on none.
    pub fn interval(&self, mut statistic: impl FnMut(&mut ChaCha8Rng) -> Option<f64>) -> Option<Interval> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let resamples = self.resamples.clamp(1, Self::MOST_RESAMPLES);
        let mut values: Vec<f64> = (0..resamples).filter_map(|_| statistic(&mut rng)).collect();
        values.sort_unstable_by(f64::total_cmp);
        Some(Interval { low: quantile(&values, 0.025)?, high: quantile(&values, 0.975)? })
    }
}

fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// Trials by cluster, in the order of the clusters' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters(Vec<Share>);

impl Clusters {
    /// Trials, each with the name of its cluster.
    ///
    /// ```
    /// use saffron_search::eval::stats::{Bootstrap, Clusters, Share};
    /// // Five questions under forty templates each: one question always falls, the others never.
    /// let trials = (0..200).map(|place| (["a", "b", "c", "d", "e"][place % 5], place % 5 == 0));
    /// let clusters = Clusters::of(trials);
    /// assert_eq!(clusters.share(), Share::new(40, 200)?);
    /// let (clustered, alone) = (clusters.interval(&Bootstrap::default()), clusters.share().wilson(1.96));
    /// assert!(clustered.high - clustered.low > 5.0 * (alone.high - alone.low));
    /// # Ok::<(), saffron_search::eval::stats::StatsError>(())
    /// ```
    pub fn of<'a>(trials: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let mut clusters = BTreeMap::<&str, Vec<bool>>::new();
        for (cluster, hit) in trials {
            clusters.entry(cluster).or_default().push(hit);
        }
        Self(clusters.into_values().map(Share::count).collect())
    }

    /// How many clusters there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether a cluster has more than one trial.
    #[must_use]
    pub fn repeat(&self) -> bool {
        self.0.iter().any(|cluster| cluster.of() > 1)
    }

    /// All trials together.
    #[must_use]
    pub fn share(&self) -> Share {
        pooled(self.0.iter().copied())
    }

    /// The 95 % interval of the share. Where no cluster repeats, Wilson's. Else the percentile
    /// bootstrap over whole clusters (Efron and Tibshirani, *An Introduction to the Bootstrap*,
    /// 1993, ch. 13). Where all clusters have the same share, resamples do not vary, which is no
    /// certainty: there it is Wilson's over one trial a cluster.
    #[must_use]
    pub fn interval(&self, bootstrap: &Bootstrap) -> Interval {
        if !self.repeat() {
            return self.share().wilson(Z95);
        }
        let drawn = bootstrap.interval(|rng| self.resampled(rng).value());
        match drawn {
            Some(interval) if interval.low < interval.high => interval,
            _ => self.of_one_each().wilson(Z95),
        }
    }

    /// All trials of as many clusters, each drawn from all.
    pub(super) fn resampled(&self, rng: &mut ChaCha8Rng) -> Share {
        pooled((0..self.0.len()).map(|_| self.0[below(rng, self.0.len())]))
    }

    /// The share as if every cluster were one trial, to the nearest hit.
    fn of_one_each(&self) -> Share {
        let clusters = self.0.len() as u64;
        let hits = self.share().value().map_or(0.0, |share| (share * clusters as f64).round());
        Share::of_counts(hits as u64, clusters)
    }
}

fn pooled(clusters: impl Iterator<Item = Share>) -> Share {
    let (hits, of) = clusters.fold((0, 0), |(hits, of), cluster| (hits + cluster.hits(), of + cluster.of()));
    Share::of_counts(hits, of)
}
