//! What a configuration changes about the candidates that are drawn.

use saffron_core::CandidateFilter;
use serde::{Deserialize, Serialize};

/// Changes to the candidates that a strategy, or a policy that is sampled, looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// Divisor of the logits.
    pub temperature: Option<f32>,
    /// Probability mass of the nucleus.
    pub top_p: Option<f32>,
    /// The most candidates; 0 for no limit.
    pub top_k: Option<usize>,
    /// Least probability of a candidate, as a share of the most probable token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Forbids the end of a sequence before this many tokens.
    pub min_new_tokens: Option<usize>,
    /// Forbids repeating any n-gram of this length.
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
            top_k: self.top_k.map_or(filter.top_k, |most| Some(most).filter(|most| *most > 0)),
            min_p: self.min_p.unwrap_or(filter.min_p),
            min_new_tokens: self.min_new_tokens.unwrap_or(filter.min_new_tokens),
            no_repeat_ngram: self.no_repeat_ngram.unwrap_or(filter.no_repeat_ngram),
            ..filter
        }
    }
}
