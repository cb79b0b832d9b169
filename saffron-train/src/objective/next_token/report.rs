//! What a language model is worth on held-out texts.

use saffron_search::eval::stats::MetricError;
use serde::Serialize;

use crate::error::TrainError;

/// A language model on held-out texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TextReport {
    /// Mean negative log-likelihood of a target, in nats.
    pub nll: f64,
    /// Its exponential: among so many equally likely tokens the model is unsure.
    pub perplexity: f64,
    /// Number of targets.
    pub targets: usize,
}

impl TextReport {
    /// Of the targets' log-probabilities.
    pub(super) fn of(outputs: impl Iterator<Item = f32>) -> Result<Self, TrainError> {
        let (mut sum, mut targets) = (0.0, 0);
        for found in outputs.map(f64::from) {
            if !found.is_finite() {
                return Err(MetricError::NotANumber { index: targets, field: "log-probability", found }.into());
            }
            (sum, targets) = (sum - found, targets + 1);
        }
        if targets == 0 {
            return Err(TrainError::EmptyBatch);
        }
        let nll = sum / targets as f64;
        Ok(Self { nll, perplexity: nll.exp(), targets })
    }
}
