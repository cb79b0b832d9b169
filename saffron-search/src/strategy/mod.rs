//! One file a strategy, each with its source.

pub mod greedy;
pub mod saffron;

use saffron_core::CandidateFilter;

/// The settings that a strategy is published with, where a searcher is not given others.
pub trait Defaults {
    /// Which candidates the strategy looks at.
    fn filter(&self) -> CandidateFilter;

    /// Longest response, in tokens.
    fn max_new_tokens(&self) -> usize;
}
