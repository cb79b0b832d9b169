//! Which route a server has to rewards.

use std::sync::Arc;

use saffron_core::{ServedHead, Token};
use serde_json::Value;

use super::route::{ById, Pooled, RewardRoute, Route};
use crate::remote::engine::{Ask, Protocol, Request};
use crate::remote::server::{Exchange, Read};
use crate::remote::{AnswerProblem, EngineKind, RemoteError, Server};

/// The most ids that vLLM takes in a request; tried downwards.
const ID_LIMITS: [usize; 4] = [128, 64, 32, 16];
/// The most ids that llama.cpp is asked about in a request. It has no limit of its own.
const LIFTED: usize = 256;
/// Most probable tokens that are looked at to tell logits from log-probabilities.
const TOP: usize = 16;

/// The route of a name, or the first that the server has.
pub(super) fn route(
    server: &Arc<Server>,
    head: &Arc<ServedHead>,
    named: Option<RewardRoute>,
) -> Result<Box<dyn Route>, RemoteError> {
    match (named, server.engine()) {
        (Some(RewardRoute::Logits), EngineKind::Vllm) => by_id(server, head, None),
        (Some(RewardRoute::Pooling), EngineKind::Vllm) => pooled(server, head),
        (Some(RewardRoute::Reference), _) | (None, EngineKind::LlamaCpp | EngineKind::Sglang) => {
            by_id(server, head, Some(reference(server, head)?))
        }
        (Some(route), engine) => Err(server.setup(
            format!("{engine} has no route {route} to rewards"),
            "use the route reference, or serve the model with vLLM",
        )),
        (None, EngineKind::Vllm) => match gives_logits(server, head) {
            Ok(true) => by_id(server, head, None),
            Ok(false) => by_id(server, head, Some(reference(server, head)?)),
            Err(RemoteError::Refused { status: 400 | 404 | 405 | 501, .. }) => pooled(server, head),
            Err(error) => Err(error),
        },
    }
}

/// The same route to another model of the same server.
pub(super) fn same_route(server: &Arc<Server>, head: &ServedHead, route: &dyn Route) -> Box<dyn Route> {
    match route.kind() {
        RewardRoute::Pooling => {
            let width = head.unembedding.as_ref().map_or(0, saffron_core::Unembedding::width);
            Box::new(Pooled { server: server.clone(), head: Arc::new(head.clone()), width })
        }
        kind => {
            let reference = head.notes.reference.filter(|_| kind == RewardRoute::Reference);
            Box::new(ById { server: server.clone(), reference, limit: route.id_limit() })
        }
    }
}

fn reference(server: &Server, head: &ServedHead) -> Result<Token, RemoteError> {
    let remedy = match server.engine() {
        EngineKind::Vllm => {
            "start it with --logprobs-mode raw_logits, or export the model with a reference token (`export_mrm`)"
        }
        _ => "export the model with a reference token (`export_mrm`)",
    };
    head.notes
        .reference
        .ok_or_else(|| server.setup("its log-probabilities lack what rewards are measured from", remedy))
}

fn by_id(
    server: &Arc<Server>,
    head: &Arc<ServedHead>,
    reference: Option<Token>,
) -> Result<Box<dyn Route>, RemoteError> {
    let size = head.head.bias.len();
    let limit = match server.engine() {
        EngineKind::LlamaCpp => LIFTED,
        EngineKind::Sglang => ID_LIMITS[0],
        EngineKind::Vllm => id_limit(server, size, reference)?,
    };
    Ok(Box::new(ById { server: server.clone(), reference, limit }))
}

/// The most ids of a request, less one for a reference token.
fn id_limit(server: &Arc<Server>, size: usize, reference: Option<Token>) -> Result<usize, RemoteError> {
    let mut refused = None;
    for limit in ID_LIMITS {
        let own = limit - usize::from(reference.is_some());
        let ids = (0..size as Token).filter(|id| Some(*id) != reference).take(own).collect();
        let route = ById { server: server.clone(), reference, limit: own };
        match server
            .endpoints()
            .iter()
            .try_for_each(|endpoint| route.rows_at(endpoint, &[vec![probe_token(size)]], &ids).map(drop))
        {
            Ok(()) => return Ok(own),
            Err(error @ RemoteError::Refused { status: 400 | 422, .. }) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    let found = refused.map_or_else(String::new, |error| format!(": {error}"));
    Err(server.setup(
        format!("it refuses values of tokens that are named by their ids{found}"),
        "use a vLLM whose completions know logprob_token_ids, started with --max-logprobs 256",
    ))
}

/// A token that is in every vocabulary.
fn probe_token(size: usize) -> Token {
    Token::from(size > 1)
}

fn pooled(server: &Arc<Server>, head: &Arc<ServedHead>) -> Result<Box<dyn Route>, RemoteError> {
    let Some(unembedding) = &head.unembedding else {
        return Err(server.setup(
            "it gives hidden states, and the head has no unembedding to make rewards of them",
            "export the head with its unembedding (`export_mrm --unembedding`), or serve completions",
        ));
    };
    Ok(Box::new(Pooled { server: server.clone(), head: head.clone(), width: unembedding.width() }))
}

/// Whether the values that vLLM lists are logits: they are those of the exported model, or their
/// exponentials add up to more than 1.
fn gives_logits(server: &Server, head: &ServedHead) -> Result<bool, RemoteError> {
    let probe = head.notes.probes.first();
    let context = probe.map_or_else(|| vec![probe_token(head.head.bias.len())], |probe| probe.tokens.clone());
    let exchange = TopValues { server, most: TOP.min(head.head.bias.len()) };
    let rows = server.ask_one(server.first(), &[context], &exchange)?;
    let values: &[(Token, f64)] = rows.first().map_or(&[], |row| row);
    let sum: f64 = values.iter().map(|(_, value)| value.exp()).sum();
    let known = |(id, value): &(Token, f64)| {
        let probe = probe?;
        let place = probe.ids.iter().position(|probed| probed == id)?;
        Some((f64::from(probe.logits[place]) - value).abs() < 0.5)
    };
    let same = values.iter().filter_map(known).collect::<Vec<bool>>();
    Ok(sum > 1.001 || (!same.is_empty() && same.into_iter().all(|same| same)))
}

/// The most probable tokens with whatever numbers the engine gives them.
#[derive(Debug)]
struct TopValues<'a> {
    server: &'a Server,
    most: usize,
}

impl TopValues<'_> {
    fn ask<'a>(&'a self, sequences: &'a [Vec<Token>]) -> Ask<'a> {
        Ask { model: &self.server.model().name, sequences, top: self.most, wanted: &[], steer: None }
    }
}

impl Exchange for TopValues<'_> {
    type Row = Vec<(Token, f64)>;

    fn request(&self, sequences: &[Vec<Token>]) -> Request {
        self.server.engine().step(self.ask(sequences))
    }

    fn read(&self, body: Value, sequences: &[Vec<Token>]) -> Result<Read<Self::Row>, AnswerProblem> {
        let answer = self.server.engine().answer(body, self.ask(sequences))?;
        let row = |(sequence, row): (usize, crate::remote::engine::Row)| {
            let values = row.listed.into_iter().filter_map(|(id, value)| Some((Token::try_from(id).ok()?, value?)));
            let values: Vec<(Token, f64)> = values.filter(|(_, value)| *value > -9998.0).collect();
            // A short row shares its step with a request for named ids, and is asked for again.
            match values.len() < self.most {
                true => Err(AnswerProblem::TooFew { sequence, expected: self.most, found: values.len() }),
                false => Ok(values),
            }
        };
        Ok(Read { rows: answer.rows.into_iter().enumerate().map(row).collect(), model: answer.model })
    }
}
