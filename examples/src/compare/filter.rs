//! What a configuration changes about a strategy's candidates.

use saffron_core::CandidateFilter;
use serde::{Deserialize, Serialize};

/// Changes to a strategy's candidates.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// Divisor of the logits.
    pub temperature: Option<f32>,
    /// Mass of the nucleus.
    pub top_p: Option<f32>,
    /// At most so many candidates.
    pub top_k: Option<usize>,
    /// Least share of the most probable token's probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// No end of sequence before so many tokens.
    pub min_new_tokens: Option<usize>,
    /// So many tokens in a row come at most once in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_repeat_ngram: Option<usize>,
}

impl FilterConfig {
    /// The filter with these changes.
    #[must_use]
    pub fn over(self, filter: CandidateFilter) -> CandidateFilter {
        CandidateFilter {
            temperature: self.temperature.unwrap_or(filter.temperature),
            top_p: self.top_p.unwrap_or(filter.top_p),
            top_k: self.top_k.or(filter.top_k),
            min_p: self.min_p.unwrap_or(filter.min_p),
            min_new_tokens: self.min_new_tokens.unwrap_or(filter.min_new_tokens),
            no_repeat_ngram: self.no_repeat_ngram.unwrap_or(filter.no_repeat_ngram),
            ..filter
        }
    }
}
