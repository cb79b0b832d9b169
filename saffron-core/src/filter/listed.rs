//! Candidates from the most probable tokens alone, which is all that an engine elsewhere tells.

use super::CandidateFilter;
use crate::candidates::{Candidate, Candidates, Coverage};
use crate::error::ModelError;
use crate::token::Token;

impl CandidateFilter {
    /// The candidates of one context from the most probable tokens of its distribution at temperature 1, each with its log-probability
    /// (natural logarithm, over the whole vocabulary of `size` ids). `response` is what has been generated so far, `session` the place in
    /// the batch for error messages.
    ///
    /// As [`apply`](Self::apply), as far as the list reaches: the mass that it lacks counts as that of other tokens. Banned tokens that are
    /// not listed count as if they had none. At a temperature other than 1 what is not listed is taken to be spread evenly, so that
    /// log-probabilities are estimates. [`Coverage::Truncated`] says that a cut on the whole distribution might have been another:
    /// the list ended before the nucleus did, or it is such an estimate.
    ///
    /// ```
    /// use saffron_core::{CandidateFilter, Coverage};
    /// let filter = CandidateFilter { top_p: 0.8, ..CandidateFilter::default() };
    /// let listed = [(7, 0.6f32.ln()), (3, 0.25f32.ln()), (9, 0.05f32.ln())];
    /// let candidates = filter.apply_listed(&listed, 100, &[], 0)?;
    /// assert_eq!(candidates.tokens().collect::<Vec<_>>(), [7, 3]);
    /// assert_eq!(candidates.coverage, Coverage::Full);
    /// assert_eq!(filter.apply_listed(&listed[..1], 100, &[], 0)?.coverage, Coverage::Truncated);
    /// # Ok::<(), saffron_core::ModelError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Log-probabilities that are NaN or +∞, ids outside the vocabulary, no possible token, or settings that cannot be run with.
    pub fn apply_listed(
        &self,
        listed: &[(Token, f32)],
        size: usize,
        response: &[Token],
        session: usize,
    ) -> Result<Candidates, ModelError> {
        self.check()?;
        check(listed, size, session)?;
        let mut ranked = self.weighed(listed, response);
        let others = size - listed.len();
        // Weights are relative to the largest, so that none is lost at low temperatures.
        let (rest, greatest) =
            (self.unlisted(listed, others), ranked.iter().map(|(_, log)| *log).fold(f64::MIN, f64::max));
        ranked.iter_mut().for_each(|(_, weight)| *weight = (*weight - greatest).exp());
        let total =
            ranked.iter().map(|(_, weight)| weight).sum::<f64>() + rest.map_or(0.0, |log| (log - greatest).exp());
        if ranked.is_empty() {
            return Err(ModelError::NoToken { session, size });
        }
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked.truncate(self.top_k.unwrap_or(usize::MAX));
        let kept = self.nucleus(ranked.iter().map(|(_, weight)| weight / total));
        let whole = others == 0 || self.top_k.is_some_and(|k| ranked.len() >= k) || kept < ranked.len();
        ranked.truncate(kept);
        let mass = ranked.iter().map(|(_, weight)| weight / total).sum::<f64>();
        let holds = self.top_p < 1.0 && mass >= f64::from(self.top_p);
        let exact = others == 0 || self.is_untempered();
        let candidate = |(token, weight): (Token, f64)| Candidate { token, logprob: (weight / total).ln() as f32 };
        ranked.retain(|(_, weight)| *weight > 0.0);
        Ok(Candidates {
            ranked: ranked.into_iter().map(candidate).collect(),
            mass: (mass as f32).min(1.0),
            coverage: if exact && (whole || holds) { Coverage::Full } else { Coverage::Truncated },
        })
    }

    fn is_untempered(&self) -> bool {
        self.temperature.to_bits() == 1.0f32.to_bits()
    }

    /// The listed tokens that may come next, with the logarithms of their weights after the temperature.
    fn weighed(&self, listed: &[(Token, f32)], response: &[Token]) -> Vec<(Token, f64)> {
        let bans: Vec<Token> = self.bans(response).collect();
        let possible = listed.iter().filter(|(token, logprob)| !bans.contains(token) && *logprob > f32::NEG_INFINITY);
        possible.map(|(token, logprob)| (*token, f64::from(*logprob) / f64::from(self.temperature))).collect()
    }

    /// The logarithm of the weight, after the temperature, of the tokens that are not listed; none where they have none.
    fn unlisted(&self, listed: &[(Token, f32)], others: usize) -> Option<f64> {
        let rest = 1.0 - listed.iter().map(|(_, logprob)| f64::from(*logprob).exp()).sum::<f64>();
        match others {
            0 => None,
            _ if rest <= 0.0 => None,
            _ if self.is_untempered() => Some(rest.ln()),
            others => Some((rest / others as f64).ln() / f64::from(self.temperature) + (others as f64).ln()),
        }
    }
}

/// Refuses NaN, +∞ and ids that there are not.
fn check(listed: &[(Token, f32)], size: usize, session: usize) -> Result<(), ModelError> {
    for (token, value) in listed.iter().copied() {
        if token as usize >= size {
            return Err(ModelError::TokenOutOfRange { token, size });
        }
        if value.is_nan() || value == f32::INFINITY {
            return Err(ModelError::NotANumber { what: "log-probabilities", session, token, value });
        }
    }
    match listed.len() > size {
        true => Err(ModelError::BatchMismatch { what: "listed tokens", expected: size, found: listed.len() }),
        false => Ok(()),
    }
}
