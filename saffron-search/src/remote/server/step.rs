//! A step of a policy: the most probable next tokens of sequences.

use std::sync::Arc;

use saffron_core::Token;
use serde_json::Value;

use super::checked::{RuledOut, checked};
use super::{Asking, Exchange, Read, Server};
use crate::remote::engine::{Ask, Protocol, Request};
use crate::remote::{AnswerProblem, EngineKind, RemoteError};

/// Token ids that every vocabulary has.
const PROBE: [Token; 2] = [1, 2];
/// Log-probabilities in one answer, about: more sequences are asked for in further requests.
const ENTRIES: usize = 1 << 16;

/// The checked answer to one sequence.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::remote) struct Listed {
    /// Tokens with their log-probabilities.
    pub(in crate::remote) tokens: Vec<(Token, f32)>,
    /// Tokens served from the cache.
    pub(in crate::remote) cached: Option<u64>,
    /// How many the server has listed, those that are left out included.
    pub(in crate::remote) count: usize,
}

/// What comes next: the `top` most probable tokens, and those that are `wanted` by their ids.
#[derive(Clone, Debug)]
struct Step<'a> {
    engine: EngineKind,
    model: &'a str,
    top: usize,
    wanted: &'a [Token],
    steer: Option<Token>,
    /// The number of token ids.
    size: usize,
    /// The least number of log-probabilities of a row.
    expected: usize,
    ruled_out: RuledOut<'a>,
}

impl Step<'_> {
    fn ask<'a>(&'a self, sequences: &'a [Vec<Token>]) -> Ask<'a> {
        Ask { model: self.model, sequences, top: self.top, wanted: self.wanted, steer: self.steer }
    }
}

impl Exchange for Step<'_> {
    type Row = Listed;

    fn most(&self) -> usize {
        (ENTRIES / self.top.max(1)).max(1)
    }

    fn request(&self, sequences: &[Vec<Token>]) -> Request {
        self.engine.step(self.ask(sequences))
    }

    fn read(&self, body: Value, sequences: &[Vec<Token>]) -> Result<Read<Listed>, AnswerProblem> {
        let answer = self.engine.answer(body, self.ask(sequences))?;
        let rows = answer.rows.into_iter().enumerate();
        let rows = rows.map(|(place, row)| checked(place, row, self.expected, self.size, self.ruled_out));
        Ok(Read { rows: rows.collect(), model: answer.model })
    }
}

impl Server {
    /// What comes next after each sequence, in a vocabulary of `size` ids: the `top` most probable
    /// tokens, or, where some are `wanted`, these and what the engine lists besides. Callers must
    /// check that the wanted ones are there. A sequence's `key` decides its endpoint.
    pub(in crate::remote) fn step(
        &self,
        sequences: &[(u32, Vec<Token>)],
        top: usize,
        wanted: &[Token],
        size: usize,
    ) -> Result<Vec<Listed>, RemoteError> {
        // Beyond the ceiling, a guard's answers are looked for among all tokens, the impossible
        // too.
        let ruled_out = if top <= self.ceiling() { RuledOut::Refused } else { RuledOut::LeftOut(wanted) };
        let expected = if wanted.is_empty() { top.min(size) } else { 0 };
        let exchange = self.exchange_of(top, wanted, size, expected, ruled_out);
        let mut rows = self.ask(&[Asking { sequences: sequences.to_vec(), exchange }])?;
        Ok(rows.pop().unwrap_or_default())
    }

    fn exchange_of<'a>(
        &'a self,
        top: usize,
        wanted: &'a [Token],
        size: usize,
        expected: usize,
        ruled_out: RuledOut<'a>,
    ) -> Step<'a> {
        let (engine, model, steer) = (self.engine, &self.model.name[..], self.steer);
        Step { engine, model, top, wanted, steer, size, expected, ruled_out }
    }

    /// Tries a step.
    pub(super) fn probe(self: &Arc<Self>, endpoint: &str) -> Result<(), RemoteError> {
        let setup = |found: String, remedy: &str| self.http.setup(endpoint, found, remedy);
        let size = self.settings.vocab_size.or(self.model.vocab_size).unwrap_or(u32::MAX as usize);
        let top = self.ceiling().min(size);
        let exchange = self.exchange_of(top, &[], size, top, RuledOut::Refused);
        self.ask_one(endpoint, &[PROBE.to_vec()], &exchange).map(drop).map_err(|error| match error {
            RemoteError::Refused { status: status @ (400 | 422), message, .. } => {
                setup(format!("it refuses a step ({status}): {message}"), self.engine.more_logprobs())
            }
            RemoteError::Refused { status: 404, .. } => {
                setup(String::from("it has no such endpoint"), &format!("is it a server of {}?", self.engine))
            }
            RemoteError::Answer { problem, .. } => match problem {
                AnswerProblem::TooFew { .. } => setup(problem.to_string(), self.engine.more_logprobs()),
                AnswerProblem::NotALogprob { .. } => setup(problem.to_string(), self.engine.raw_logprobs()),
                AnswerProblem::RuledOut { .. } | AnswerProblem::Sum { .. } => {
                    let found = "its log-probabilities are not those of the model, a sampler has changed them";
                    setup(format!("{found}: {problem}"), self.engine.raw_logprobs())
                }
                problem => self.http.unusable(endpoint, problem),
            },
            error => error,
        })
    }
}
