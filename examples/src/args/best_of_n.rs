//! How Best-of-N samples and what becomes of an unsafe answer.

use anyhow::Result;
use clap::Args;
use saffron_core::{CandidateFilter, Thresholds};
use saffron_search::{Reaction, Rules};

/// Arguments: samples, thresholds, reaction.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct BestOfNArgs {
    /// Samples.
    #[arg(long, default_value_t = 8)]
    pub samples: usize,
    /// Temperature of the samples.
    #[arg(long, default_value_t = 1.0)]
    pub temperature: f32,
    /// Mass of the nucleus that samples are drawn from.
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f32,
    /// Rewards from this on speak for a safe answer; 0 suits logit(safe) − logit(unsafe).
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub safe_from: f32,
    /// Rewards below this speak for an unsafe answer.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub unsafe_below: f32,
    /// Reply with this text in place of an unsafe answer.
    #[arg(long)]
    pub refuse: Option<String>,
    /// How many models the reference would have under its profiler: two for Best-of-N.
    #[arg(long, default_value_t = 2)]
    pub profiled: u64,
}

impl BestOfNArgs {
    /// What samples are drawn from.
    #[must_use]
    pub fn filter(&self) -> CandidateFilter {
        CandidateFilter { temperature: self.temperature, top_p: self.top_p, ..CandidateFilter::default() }
    }

    /// When an answer is unsafe, and what happens then.
    ///
    /// # Errors
    ///
    /// Thresholds out of order.
    pub fn rules(&self) -> Result<Rules> {
        let reaction = self.refuse.clone().map_or(Reaction::Answer, Reaction::Refuse);
        Ok(Rules::new(Thresholds::new(self.unsafe_below, self.safe_from)?).on_unsafe(reaction))
    }
}
