//! From a row of logits to ranked candidates: temperature, bans, top-k, the nucleus and min-p. A pure function; every policy that
//! sees whole logits uses this one.

mod bans;
mod listed;
mod softmax;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use softmax::{Softmax, check_numbers};

use crate::candidates::{Candidate, Candidates, Coverage};
use crate::error::{ConfigError, ModelError};
use crate::token::Token;

/// How far below the largest logit the candidates of a cut are looked for, before the whole
/// vocabulary is. At the last, a token has less than 1e-27 of the most probable one's probability.
const DEPTHS: [f32; 4] = [8.0, 16.0, 32.0, 64.0];

/// What becomes of tokens of equal probability at the nucleus' edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ties {
    /// All in or all out, as Eq. 2 of the Saffron paper has it: a token stays while the mass of the *strictly* more probable
    /// ones is below top-p.
    Together,
    /// Cut in rank order, as the reference implementation does: a token stays while the mass of all before it is below top-p.
    ByRank,
}

/// Which next tokens a policy may propose.
///
/// Bans come first, then temperature, then the softmax (so the rest is renormalised), then top-k, top-p and min-p. The most probable
/// token always stays.
///
/// ```
/// use saffron_core::CandidateFilter;
/// let filter = CandidateFilter { top_p: 0.8, ..CandidateFilter::default() };
/// let candidates = filter.apply(&[0.0, 2.0, 1.0, -3.0], &[], 0)?;
/// assert_eq!(candidates.tokens().collect::<Vec<_>>(), [1, 2]);
/// assert!((candidates.mass - 0.905).abs() < 1e-3);
///
/// // After 1 3 1, a second 3 would repeat two tokens in a row.
/// let filter = CandidateFilter { no_repeat_ngram: 2, ..filter };
/// assert_eq!(filter.apply(&[0.0, 1.0, 0.0, 9.0], &[1, 3, 1], 0)?.ranked[0].token, 1);
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CandidateFilter {
    /// Divisor of the logits.
    pub temperature: f32,
    /// Mass of the nucleus, in (0, 1]; 1 keeps every possible token.
    pub top_p: f32,
    /// At most this many candidates.
    pub top_k: Option<usize>,
    /// Min-p: candidates have at least this share of the most probable token's probability, in [0, 1]; 0 asks for nothing. Where the policy is
    /// unsure, a nucleus takes in words that it would hardly say; this does not.
    pub min_p: f32,
    /// Rule at the nucleus' edge.
    pub ties: Ties,
    /// Tokens that may never come next.
    pub banned: Vec<Token>,
    /// Tokens that end a sequence.
    pub end_tokens: Vec<Token>,
    /// End tokens are banned while a response has fewer tokens than this.
    pub min_new_tokens: usize,
    /// So many generated tokens in a row come at most once in a response; 0: as often as they like. What is in the prompt or the prefill does not
    /// count.
    pub no_repeat_ngram: usize,
}

impl Default for CandidateFilter {
    /// The whole distribution at temperature 1.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: None,
            min_p: 0.0,
            ties: Ties::Together,
            banned: Vec::new(),
            end_tokens: Vec::new(),
            min_new_tokens: 0,
            no_repeat_ngram: 0,
        }
    }
}

impl CandidateFilter {
    /// Whether the settings can be run with.
    ///
    /// # Errors
    ///
    /// top-p outside (0, 1], min-p outside [0, 1], a temperature that is not above zero, top-k of zero.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(ConfigError::TopP { found: self.top_p });
        }
        if !(self.min_p >= 0.0 && self.min_p <= 1.0) {
            return Err(ConfigError::MinP { found: self.min_p });
        }
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err(ConfigError::Temperature { found: self.temperature });
        }
        if self.top_k == Some(0) {
            return Err(ConfigError::Zero { what: "top_k" });
        }
        Ok(())
    }

    /// The candidates of one context from its logits, one a token id. `response` is what has been generated so far, `session` the
    /// place in the batch for error messages.
    ///
    /// # Errors
    ///
    /// NaN or +∞ among the logits, no possible token, or settings that cannot be run with.
    pub fn apply(&self, logits: &[f32], response: &[Token], session: usize) -> Result<Candidates, ModelError> {
        self.check()?;
        check_numbers(logits, session)?;
        let scaled = self.scaled(logits, response);
        let softmax = Softmax::new(&scaled).ok_or(ModelError::NoToken { session, size: logits.len() })?;
        let head = self.head(&scaled, &softmax);
        let probabilities: Vec<f64> = head.iter().map(|token| softmax.probability(scaled[*token as usize])).collect();
        let kept = self.nucleus(probabilities.iter().copied());
        let candidate = |token: &Token| Candidate { token: *token, logprob: softmax.logprob(scaled[*token as usize]) };
        let ranked: Vec<Candidate> = head[..kept].iter().map(candidate).collect();
        let mass: f64 = probabilities[..kept].iter().sum();
        Ok(Candidates { ranked, mass: (mass as f32).min(1.0), coverage: Coverage::Full })
    }

    /// Logits after bans and temperature.
    fn scaled<'a>(&self, logits: &'a [f32], response: &[Token]) -> Cow<'a, [f32]> {
        let mut scaled = Cow::Borrowed(logits);
        if self.temperature.to_bits() != 1.0f32.to_bits() {
            scaled.to_mut().iter_mut().for_each(|logit| *logit /= self.temperature);
        }
        for token in self.bans(response).filter(|token| (*token as usize) < logits.len()) {
            scaled.to_mut()[token as usize] = f32::NEG_INFINITY;
        }
        scaled
    }

    /// The most probable tokens in rank order, at most top-k: enough of them to hold the nucleus,
    /// found without sorting the whole vocabulary. A filter that cuts nothing takes one pass;
    /// others look at most four times at what is near the top.
    fn head(&self, scaled: &[f32], softmax: &Softmax) -> Vec<Token> {
        let mut head = self.near_top(scaled, softmax).unwrap_or_else(|| softmax.at_least(f32::MIN, scaled));
        rank(&mut head, scaled);
        head.truncate(self.top_k.unwrap_or(usize::MAX));
        head
    }

    /// The tokens within some distance of the largest logit, if the filter keeps no others.
    fn near_top(&self, scaled: &[f32], softmax: &Softmax) -> Option<Vec<Token>> {
        if self.top_p >= 1.0 && self.top_k.is_none() && self.min_p <= 0.0 {
            return None;
        }
        DEPTHS.into_iter().find_map(|depth| {
            let head = softmax.at_least(softmax.max - depth, scaled);
            ((-depth).exp() < self.min_p || self.is_enough(&head, scaled, softmax)).then_some(head)
        })
    }

    fn is_enough(&self, head: &[Token], scaled: &[f32], softmax: &Softmax) -> bool {
        let mass = || head.iter().map(|token| softmax.probability(scaled[*token as usize])).sum::<f64>();
        self.top_k.is_some_and(|k| head.len() >= k) || (self.top_p < 1.0 && mass() > f64::from(self.top_p))
    }

    /// How many of the ranked probabilities the nucleus holds, as far as min-p lets it.
    fn nucleus(&self, ranked: impl Iterator<Item = f64>) -> usize {
        let (mut before, mut stronger, mut last, mut kept) = (0.0, 0.0, f64::NAN, 0);
        let mut least = None;
        for probability in ranked {
            if probability < *least.get_or_insert(probability * f64::from(self.min_p)) {
                break;
            }
            if probability != last {
                stronger = before;
            }
            let mass = if self.ties == Ties::Together { stronger } else { before };
            if self.top_p < 1.0 && mass >= f64::from(self.top_p) {
                break;
            }
            before += probability;
            last = probability;
            kept += 1;
        }
        kept
    }
}

/// Sorts tokens by falling logit, equals by rising id.
fn rank(tokens: &mut [Token], logits: &[f32]) {
    // One integer a token: the logit's bits, turned so that larger ones come first, then the id.
    let mut keys: Vec<u64> = tokens.iter().map(|token| falling_key(logits[*token as usize], *token)).collect();
    keys.sort_unstable();
    tokens.iter_mut().zip(keys).for_each(|(token, key)| *token = key as u32);
}

/// A key that sorts as [`f32::total_cmp`] reversed, then by id.
fn falling_key(logit: f32, token: Token) -> u64 {
    let bits = logit.to_bits();
    let falling = if bits >> 31 == 0 { !bits & (u32::MAX >> 1) } else { bits };
    u64::from(falling) << 32 | u64::from(token)
}
