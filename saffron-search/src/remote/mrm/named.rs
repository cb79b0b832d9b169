//! Rewards by the ids of tokens: engines that give values of tokens that a request names.

use saffron_core::Token;
use serde_json::Value;

use super::row::{LogitRow, by_id};
use crate::remote::engine::{Ask, Protocol, Request, Row};
use crate::remote::server::{Exchange, Read};
use crate::remote::{AnswerProblem, EngineKind};

/// At and below this stand values that an engine puts in place of −∞ or of what it has left out.
const FLOOR: f64 = -9998.0;

/// Values of named tokens: logits as they are, or log-probabilities less that of the reference
/// token, whose logit is 0.
#[derive(Clone, Debug)]
pub(super) struct NamedIds<'a> {
    engine: EngineKind,
    model: &'a str,
    ids: &'a [Token],
    reference: Option<Token>,
    /// The ids with the reference token among them.
    wanted: Vec<Token>,
}

impl<'a> NamedIds<'a> {
    pub(super) fn new(engine: EngineKind, model: &'a str, ids: &'a [Token], reference: Option<Token>) -> Self {
        let mut wanted: Vec<Token> = ids.iter().copied().chain(reference).collect();
        wanted.sort_unstable();
        wanted.dedup();
        Self { engine, model, ids, reference, wanted }
    }

    fn ask<'b>(&'b self, sequences: &'b [Vec<Token>]) -> Ask<'b> {
        Ask { model: self.model, sequences, top: 1, wanted: &self.wanted, steer: None }
    }

    fn row(&self, sequence: usize, row: Row) -> Result<LogitRow, AnswerProblem> {
        let listed = by_id(sequence, row.listed)?;
        let value = |token: Token| match listed.get(&u64::from(token)) {
            None => Err(AnswerProblem::Lacks { sequence, token }),
            Some(Some(value)) if value.is_finite() && *value > FLOOR => Ok(*value),
            Some(value) => {
                let value = value.map_or_else(|| String::from("no number"), |value| value.to_string());
                Err(AnswerProblem::NotALogit { sequence, token, value })
            }
        };
        let zero = self.reference.map_or(Ok(0.0), value)?;
        let logits = self.ids.iter().map(|id| Ok((*id, (value(*id)? - zero) as f32)));
        Ok(LogitRow { logits: logits.collect::<Result<_, _>>()?, cached: row.cached })
    }
}

impl Exchange for NamedIds<'_> {
    type Row = LogitRow;

    fn request(&self, sequences: &[Vec<Token>]) -> Request {
        self.engine.step(self.ask(sequences))
    }

    fn read(&self, body: Value, sequences: &[Vec<Token>]) -> Result<Read<LogitRow>, AnswerProblem> {
        let answer = self.engine.answer(body, self.ask(sequences))?;
        let rows = answer.rows.into_iter().enumerate().map(|(place, row)| self.row(place, row)).collect();
        Ok(Read { rows, model: answer.model })
    }
}
