//! Statistics of shares: intervals, means, and two runs over the same prompts.
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

mod mean;
mod paired;
mod share;

pub use mean::Mean;
pub use paired::{Difference, Paired};
pub use share::{Interval, Share, Z95};

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
