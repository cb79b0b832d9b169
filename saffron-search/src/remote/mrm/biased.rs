//! Rewards from llama.cpp: a bias lifts the named tokens and the reference token above all others,
//! so that the most probable ones are these.

use saffron_core::Token;
use serde::Deserialize;
use serde_json::{Value, json};

use super::row::{LogitRow, by_id};
use crate::remote::AnswerProblem;
use crate::remote::engine::{Request, placed, several};
use crate::remote::server::{Exchange, Read};

/// Added to the logits of named tokens, and of the reference token. The latter is nearly always
/// generated then; its text is empty, so that the server holds no probabilities back.
const LIFT: f64 = 45.0;
const REFERENCE_LIFT: f64 = 70.0;

/// Logits of named tokens as ln p − ln p(reference), less the difference of the lifts.
#[derive(Clone, Debug)]
pub(super) struct BiasedIds<'a> {
    pub(super) ids: &'a [Token],
    pub(super) reference: Token,
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    index: Option<usize>,
    model: Option<String>,
    timings: Option<Timings>,
    #[serde(default)]
    completion_probabilities: Vec<Position>,
}

#[derive(Deserialize)]
struct Timings {
    cache_n: Option<i64>,
}

#[derive(Deserialize)]
struct Position {
    #[serde(default)]
    top_probs: Vec<Probable>,
}

#[derive(Deserialize)]
struct Probable {
    id: Option<u64>,
    prob: Option<f64>,
}

impl BiasedIds<'_> {
    fn row(&self, sequence: usize, completion: Completion) -> Result<LogitRow, AnswerProblem> {
        let cached = completion.timings.and_then(|timings| u64::try_from(timings.cache_n?).ok());
        let first = completion.completion_probabilities.into_iter().next();
        let listed = first.into_iter().flat_map(|position| position.top_probs);
        let listed =
            listed.map(|listed| listed.id.map(|id| (id, listed.prob)).ok_or(AnswerProblem::NoIds { sequence }));
        let listed = by_id(sequence, listed.collect::<Result<Vec<_>, _>>()?)?;
        let log = |token: Token| match listed.get(&u64::from(token)) {
            None => Err(AnswerProblem::Lacks { sequence, token }),
            Some(Some(prob)) if *prob > 0.0 && *prob <= 1.0 => Ok(prob.ln()),
            Some(prob) => {
                let value = prob.map_or_else(|| String::from("no number"), |prob| format!("the probability {prob}"));
                Err(AnswerProblem::NotALogit { sequence, token, value })
            }
        };
        let zero = log(self.reference)? - (REFERENCE_LIFT - LIFT);
        let logits = self.ids.iter().map(|id| Ok((*id, (log(*id)? - zero) as f32)));
        Ok(LogitRow { logits: logits.collect::<Result<_, _>>()?, cached })
    }
}

impl Exchange for BiasedIds<'_> {
    type Row = LogitRow;

    fn request(&self, sequences: &[Vec<Token>]) -> Request {
        let lifted = self.ids.iter().map(|id| (*id, LIFT));
        let bias: Vec<(Token, f64)> = lifted.chain([(self.reference, REFERENCE_LIFT)]).collect();
        let body = json!({
            "prompt": sequences,
            "n_predict": 1,
            "n_probs": bias.len(),
            "post_sampling_probs": true,
            "samplers": [],
            "temperature": 1.0,
            "cache_prompt": true,
            "stream": false,
            "logit_bias": bias,
            "response_fields": ["index", "model", "timings", "completion_probabilities"],
        });
        ("/completion", body)
    }

    fn read(&self, body: Value, sequences: &[Vec<Token>]) -> Result<Read<LogitRow>, AnswerProblem> {
        let completions = several::<Completion>(body)?;
        let model = completions.iter().find_map(|completion| completion.model.clone());
        let rows = completions.into_iter().enumerate().map(|(place, completion)| {
            let sequence = completion.index.unwrap_or(place);
            (sequence, self.row(sequence, completion))
        });
        Ok(Read { rows: placed(rows.collect(), sequences.len())?, model })
    }
}
