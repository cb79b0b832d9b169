//! ARGS: reward-guided decoding token by token (Khanov et al. 2024, arXiv 2402.01694): of the k most probable next tokens the one of highest
//! `logit + w · reward`. (A logit and a log-probability differ by the same number for all candidates of a step.)

use saffron_core::random::LogWeights;
use saffron_core::{CandidateFilter, ConfigError, SearchContext, SearchError, SearchStrategy, Step, Ties};

use super::guided::single_step;
use super::rank::first_best;

/// One sequence, chosen by probability and reward together. With the reward model asked for every candidate (a PRM or ORM) this costs k
/// calls a token; a multifurcation reward model answers all in one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Args {
    weight: f32,
    temperature: Option<f32>,
}

impl Args {
    /// The candidate of highest score (ARGS-greedy). The published weight is 1, over 10 candidates.
    #[must_use]
    pub fn greedy(weight: f32) -> Self {
        Self { weight, temperature: None }
    }

    /// A candidate drawn with probability softmax(score / temperature) (ARGS-stochastic).
    #[must_use]
    pub fn stochastic(weight: f32, temperature: f32) -> Self {
        Self { weight, temperature: Some(temperature) }
    }
}

impl SearchStrategy for Args {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(*self)
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        match self.temperature {
            None => single_step(cx, self.weight, first_best),
            Some(temperature) => sampled_step(cx, self.weight, temperature),
        }
    }

    fn describe(&self) -> String {
        match self.temperature {
            None => format!("args (greedy, weight {})", self.weight),
            Some(temperature) => format!("args (stochastic, weight {}, temperature {temperature})", self.weight),
        }
    }

    fn check(&self) -> Result<(), SearchError> {
        check_weight(self.weight)?;
        self.temperature.map_or(Ok(()), check_temperature)
    }

    fn default_filter(&self) -> CandidateFilter {
        CandidateFilter { top_k: Some(10), ties: Ties::ByRank, ..CandidateFilter::default() }
    }
}

/// Draws the next token with probability softmax(score / temperature).
pub(super) fn sampled_step(cx: &mut SearchContext<'_>, weight: f32, temperature: f32) -> Result<Step, SearchError> {
    let mut rng = cx.rng().clone();
    let step = single_step(cx, weight, |scores| {
        let log_weight = |score: &Option<f32>| score.map_or(f64::NEG_INFINITY, |score| f64::from(score / temperature));
        LogWeights::new(scores.iter().map(log_weight)).draw(&mut rng)
    });
    *cx.rng() = rng;
    step
}

pub(super) fn check_weight(weight: f32) -> Result<(), SearchError> {
    if weight.is_finite() { Ok(()) } else { Err(ConfigError::NotFinite { what: "weight", found: weight }.into()) }
}

pub(super) fn check_temperature(temperature: f32) -> Result<(), SearchError> {
    let positive = temperature.is_finite() && temperature > 0.0;
    if positive { Ok(()) } else { Err(ConfigError::Temperature { found: temperature }.into()) }
}
