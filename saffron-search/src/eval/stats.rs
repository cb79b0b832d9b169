//! Statistics of shares: intervals, means, two runs over the same prompts, questions that repeat,
//! judges beside labels. Metrics of reward models: as classifiers of safe answers
//! ([`Classification`]) and as estimators of rewards ([`Regression`]).
//!
//! ```
//! use saffron_search::eval::stats::{Paired, Share, Z95};
//! let attacked = Share::new(9, 100)?;
//! let interval = attacked.wilson(Z95);
//! assert!(interval.low > 0.047 && interval.high < 0.163);
//! let pair = Paired { both: 4, first_only: 8, second_only: 1, neither: 87 };
//! assert_eq!(pair.mcnemar(), 0.0390625);
//! # Ok::<(), saffron_search::eval::stats::StatsError>(())
//! ```

mod agreement;
mod classification;
mod clustered;
mod holm;
mod mean;
mod paired;
mod regression;
mod share;
mod sign_flip;

pub use agreement::{Agreement, Corrected};
pub use classification::{Auroc, BestThreshold, Classification, ClassificationSettings, ReliabilityBin, Scored};
pub use clustered::{Bootstrap, Clusters};
pub use holm::holm;
pub use mean::Mean;
pub use paired::{Difference, Paired};
pub use regression::{Regression, RegressionBin, RegressionTally};
pub use share::{Interval, Share, Z95};
pub use sign_flip::PairedClusters;

/// Counts that no statistic can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// More hits than trials.
    #[error("a share of {hits} hits in {of} trials: there cannot be more hits than trials")]
    HitsExceedTrials {
        /// The hits given.
        hits: u64,
        /// The trials given.
        of: u64,
    },
    /// Two runs that are to be compared prompt by prompt have different prompts.
    #[error(
        "the runs have different prompts: {first} only in the first, {second} only in the second, one is `{prompt}`"
    )]
    DifferentPrompts {
        /// How many prompts only the first has.
        first: usize,
        /// How many only the second has.
        second: usize,
        /// One of them, the first by name.
        prompt: String,
    },
}

/// Numbers that no metric of a reward model can be made of.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// Nothing to measure.
    #[error("a metric needs at least one answer, found none")]
    Empty,
    /// A number that cannot be used: NaN, or infinite where it must be finite.
    #[error("the {field} of answer {index} is {found}, not a number to measure")]
    NotANumber {
        /// The answer's place, from 0.
        index: usize,
        /// Which of its numbers.
        field: &'static str,
        /// The number.
        found: f64,
    },
    /// The width of an interval.
    #[error("an interval's standard deviations must be a positive finite number, found {found}")]
    Deviations {
        /// The value given.
        found: f64,
    },
}
