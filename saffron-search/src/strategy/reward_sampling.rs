//! Reward-weighted sampling: the next token is drawn from π(a | s) · exp(R(s a) / β), the policy that is optimal for the reward under a KL
//! penalty β (Xu et al. 2024, GenARM, arXiv 2410.08193, Eq. 6; Mudgal et al. 2023, controlled decoding, arXiv 2310.17022).

use saffron_core::{CandidateFilter, ConfigError, SearchContext, SearchError, SearchStrategy, Step};

use super::args::sampled_step;

/// One sequence, each token drawn from the policy tilted by the reward. A large β leaves the policy as it is, a small one follows the reward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RewardSampling {
    beta: f32,
}

impl RewardSampling {
    /// Sampling under a KL penalty β, in units of the reward.
    #[must_use]
    pub fn new(beta: f32) -> Self {
        Self { beta }
    }
}

impl SearchStrategy for RewardSampling {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(*self)
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        sampled_step(cx, 1.0 / self.beta, 1.0)
    }

    fn describe(&self) -> String {
        format!("reward sampling (β {})", self.beta)
    }

    fn check(&self) -> Result<(), SearchError> {
        if self.beta.is_finite() && self.beta > 0.0 && (1.0 / self.beta).is_finite() {
            return Ok(());
        }
        Err(ConfigError::NotPositive { what: "β", found: self.beta }.into())
    }

    fn default_filter(&self) -> CandidateFilter {
        CandidateFilter { top_p: 0.95, ..CandidateFilter::default() }
    }
}
