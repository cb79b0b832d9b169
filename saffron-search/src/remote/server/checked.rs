//! Checks of the log-probabilities that a server lists.

use std::collections::BTreeSet;

use saffron_core::Token;

use super::step::Listed;
use crate::remote::AnswerProblem;
use crate::remote::engine::Row;

/// How far above 1 probabilities may add up, and above 0 a log-probability may lie: float noise.
const NOISE: f64 = 1e-3;
/// Below are the log-probabilities of tokens that a sampler has ruled out: −∞ is sent as -9999 or
/// as the least of all floats.
const FLOOR: f64 = -1e3;

/// What is done with tokens that a sampler has ruled out.
#[derive(Clone, Copy, Debug)]
pub(super) enum RuledOut<'a> {
    /// They make the row unusable.
    Refused,
    /// They are left out, unless they are among these.
    LeftOut(&'a [Token]),
}

/// A row whose ids are of the vocabulary and whose numbers are log-probabilities, at least
/// `expected` of them, that add up to at most 1.
pub(super) fn checked(
    sequence: usize,
    row: Row,
    expected: usize,
    size: usize,
    ruled_out: RuledOut<'_>,
) -> Result<Listed, AnswerProblem> {
    let mut sum = 0.0;
    let count = row.listed.len();
    let mut tokens: Vec<(Token, f32)> = Vec::with_capacity(count);
    let mut seen = BTreeSet::new();
    for (token, logprob) in row.listed {
        let id = Token::try_from(token).ok().filter(|id| (*id as usize) < size);
        let id = id.ok_or(AnswerProblem::OutOfVocabulary { sequence, token, size })?;
        if !seen.insert(id) {
            return Err(AnswerProblem::Twice { sequence, token });
        }
        match logprob.filter(|logprob| *logprob <= NOISE) {
            Some(logprob) if logprob < FLOOR => match ruled_out {
                RuledOut::LeftOut(wanted) if !wanted.contains(&id) => {}
                _ => return Err(AnswerProblem::RuledOut { sequence, token, value: logprob.to_string() }),
            },
            Some(logprob) => {
                sum += logprob.min(0.0).exp();
                tokens.push((id, logprob.min(0.0) as f32));
            }
            None => {
                let value = logprob.map_or_else(|| String::from("no number"), |value| value.to_string());
                return Err(AnswerProblem::NotALogprob { sequence, token, value });
            }
        }
    }
    if sum > 1.0 + NOISE {
        return Err(AnswerProblem::Sum { sequence, sum });
    }
    if tokens.len() < expected {
        return Err(AnswerProblem::TooFew { sequence, expected, found: tokens.len() });
    }
    Ok(Listed { tokens, cached: row.cached, count })
}
