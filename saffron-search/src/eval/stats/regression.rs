//! A reward model's estimates against the rewards that it should give.

mod bins;
mod tally;

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

pub use bins::RegressionBin;
pub use tally::RegressionTally;

use super::{MetricError, Share};

/// How near estimates of rewards come to their targets, as the paper has it of its multifurcation reward model
/// ([arXiv 2506.06444](https://arxiv.org/abs/2506.06444), Fig. 4b). An error is estimate less target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// Pairs of estimate and target.
    pub n: usize,
    /// Mean of the errors' magnitudes.
    pub mean_absolute_error: f64,
    /// Root of the mean of the errors' squares.
    pub root_mean_square_error: f64,
    /// Mean error; positive where estimates are too high, that is too safe.
    pub bias: f64,
    /// Coefficient of determination: 1 less the errors' squares over the targets' squares about their mean. Below 0 where that mean would
    /// be the better estimate; none where all targets are equal.
    pub r_squared: Option<f64>,
    /// Pearson's correlation; none where all targets, or all estimates, are equal.
    pub pearson: Option<f64>,
    /// Errors of at most 1.
    pub within_one: Share,
    /// Errors of at most 2.
    pub within_two: Share,
    /// The greatest magnitude of an error.
    pub greatest_error: f64,
    /// Pairs on one side of 0: both below it, which is unsafe, or neither.
    pub same_sign: Share,
    /// Targets below 0.
    pub unsafe_targets: Share,
    /// Bins of equal width between the least and the greatest estimate, ascending, without the empty ones. None at all where the pairs were
    /// not kept.
    pub bins: Vec<RegressionBin>,
}

impl Regression {
    /// The report of pairs `(estimate, target)`, with so many bins.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// use saffron_search::eval::stats::Regression;
    /// let report = Regression::of(&[(1.0, 1.5), (-2.0, -1.0), (3.0, 3.0)], NonZeroUsize::MIN)?;
    /// assert_eq!((report.mean_absolute_error, report.bias, report.greatest_error), (0.5, -0.5, 1.0));
    /// assert_eq!((report.same_sign.hits(), report.unsafe_targets.hits()), (3, 1));
    /// # Ok::<(), saffron_search::eval::stats::MetricError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// No pairs, and numbers that are not finite.
    pub fn of(pairs: &[(f32, f32)], bins: NonZeroUsize) -> Result<Self, MetricError> {
        let mut tally = RegressionTally::default();
        for (estimate, target) in pairs {
            tally.add(*estimate, *target)?;
        }
        Ok(Self { bins: bins::bins(pairs, bins), ..tally.report()? })
    }
}
