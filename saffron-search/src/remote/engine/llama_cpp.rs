//! llama.cpp's server: its native `/completion`, the only endpoint whose log-probabilities come with ids for every sequence.

use saffron_core::Token;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Request, Row, placed, several};
use crate::remote::AnswerProblem;

/// Makes a token certain.
const STEERED: f64 = 1e3;

/// A temperature below 0 takes the most probable token and leaves the probabilities those of a plain softmax, whatever samplers the server has. The
/// token that is generated is steered to one of whole characters: of others, the server keeps the probabilities back until they are whole.
pub(super) fn step(ask: Ask<'_>) -> Request {
    let body = json!({
        "prompt": ask.sequences,
        "n_predict": 1,
        "n_probs": ask.top,
        "post_sampling_probs": false,
        "temperature": -1.0,
        "cache_prompt": true,
        "stream": false,
        "logit_bias": ask.steer.map(|token| (token, STEERED)).into_iter().collect::<Vec<_>>(),
        "response_fields": ["index", "model", "timings", "completion_probabilities"],
    });
    ("/completion", body)
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
    top_logprobs: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: Option<u64>,
    logprob: Option<f64>,
}

pub(super) fn answer(body: Value, ask: Ask<'_>) -> Result<Answer, AnswerProblem> {
    let completions = several::<Completion>(body)?;
    let model = completions.iter().find_map(|completion| completion.model.clone());
    let mut rows = Vec::new();
    for (place, completion) in completions.into_iter().enumerate() {
        let sequence = completion.index.unwrap_or(place);
        rows.push((sequence, row(sequence, completion)?));
    }
    Ok(Answer { rows: placed(rows, ask.sequences.len())?, model })
}

fn row(sequence: usize, completion: Completion) -> Result<Row, AnswerProblem> {
    let first = completion.completion_probabilities.into_iter().next();
    let listed = first.map(|position| position.top_logprobs).unwrap_or_default();
    let listed = listed.into_iter().map(|listed| listed.id.map(|id| (id, listed.logprob)));
    let listed = listed.collect::<Option<_>>().ok_or(AnswerProblem::NoIds { sequence })?;
    let cached = completion.timings.and_then(|timings| u64::try_from(timings.cache_n?).ok());
    Ok(Row { listed, cached })
}

/// With `begin`, the token that begins a sequence comes first, where the model has one.
pub(super) fn tokenize(text: &str, markup: bool, begin: bool) -> Request {
    ("/tokenize", json!({ "content": text, "add_special": begin, "parse_special": markup }))
}

pub(super) fn detokenize(tokens: &[Token]) -> Request {
    ("/detokenize", json!({ "tokens": tokens }))
}
