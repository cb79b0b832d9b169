//! What a search gives back.

use serde::{Deserialize, Serialize};

use crate::meter::Usage;
use crate::stop::StopReason;
use crate::token::Token;
use crate::verdict::Verdict;

/// One response that a search has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// The generated tokens, an end-of-sequence token included; prompt and prefill are not.
    pub tokens: Vec<Token>,
    /// The reward it is ranked by; none when it was never given one.
    #[serde(default, with = "crate::wire::option")]
    pub reward: Option<f32>,
    /// Sum of the policy's log-probabilities.
    pub logprob: f32,
    /// Why it ended; none while it might have gone on.
    pub stop: Option<StopReason>,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The answer.
    pub best: Hypothesis,
    /// The beam as it last stood, in its own order; only the answer for strategies without a beam.
    pub beam: Vec<Hypothesis>,
    /// Why the search ended.
    pub stop: StopReason,
    /// What it cost.
    pub usage: Usage,
    /// The strategy with its settings.
    pub strategy: String,
    /// The reward model with its settings.
    pub reward: String,
    /// Whether the answer is safe to show; undecided where no thresholds were given.
    #[serde(default)]
    pub verdict: Verdict,
    /// What to show instead of the answer, where the strategy says so, or the caller has said so for
    /// such a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

impl Outcome {
    /// What to show: the replacement if there is one, else the answer's text as `text` makes it.
    ///
    /// # Errors
    ///
    /// Those of `text`.
    pub fn reply<E>(&self, text: impl FnOnce(&Hypothesis) -> Result<String, E>) -> Result<String, E> {
        self.replacement.clone().map_or_else(|| text(&self.best), Ok)
    }
}
