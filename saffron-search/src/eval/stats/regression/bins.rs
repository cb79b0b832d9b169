//! Targets by what was estimated.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::tally::Moments;

/// Pairs whose estimates lie in one range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionBin {
    /// Lower end of the range, included.
    pub low: f64,
    /// Upper end, left out but in the last bin.
    pub high: f64,
    /// Its pairs.
    pub n: usize,
    /// Mean estimate.
    pub estimate: f64,
    /// Mean target; near the mean estimate where the model is calibrated.
    pub target: f64,
    /// Sample standard deviation of the targets; none of one alone.
    pub deviation: Option<f64>,
}

/// The bins that hold pairs of finite numbers, ascending.
pub(super) fn bins(pairs: &[(f32, f32)], bins: NonZeroUsize) -> Vec<RegressionBin> {
    let estimates = || pairs.iter().map(|(estimate, _)| f64::from(*estimate));
    let (low, high) = (estimates().fold(f64::INFINITY, f64::min), estimates().fold(f64::NEG_INFINITY, f64::max));
    let width = (high - low) / bins.get() as f64;
    let place = |number: f64| if width > 0.0 { ((number - low) / width) as usize } else { 0 };
    let mut filled: BTreeMap<usize, (Moments, Moments)> = BTreeMap::new();
    for (estimate, target) in pairs {
        let place = place(f64::from(*estimate)).min(bins.get() - 1);
        let (estimates, targets) = filled.entry(place).or_default();
        estimates.add(f64::from(*estimate));
        targets.add(f64::from(*target));
    }
    let bin = |(place, (estimates, targets)): (usize, (Moments, Moments))| RegressionBin {
        low: low + place as f64 * width,
        high: low + (place + 1) as f64 * width,
        n: targets.count(),
        estimate: estimates.mean(),
        target: targets.mean(),
        deviation: targets.deviation(),
    };
    filled.into_iter().map(bin).collect()
}
