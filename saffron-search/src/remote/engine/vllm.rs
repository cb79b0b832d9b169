//! vLLM's OpenAI-compatible `/v1/completions`. Ids come as keys `token_id:…`. What the cache saved is known of requests of one sequence
//! only, and only with `--enable-prompt-tokens-details`.

use std::collections::BTreeMap;

use saffron_core::Token;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Request, Row, placed, typed};
use crate::remote::AnswerProblem;

/// What `return_tokens_as_token_ids` puts before an id.
const ID: &str = "token_id:";

pub(super) fn step(ask: Ask<'_>) -> Request {
    let mut body = json!({
        "model": ask.model,
        "prompt": ask.sequences,
        "max_tokens": 1,
        "logprobs": ask.top,
        "return_tokens_as_token_ids": true,
        "temperature": 0.0,
        "top_p": 1.0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stream": false,
    });
    // Where ids are named, newer servers list these alone.
    if !ask.wanted.is_empty() {
        body["logprob_token_ids"] = json!(ask.wanted);
    }
    ("/v1/completions", body)
}

#[derive(Deserialize)]
struct Completions {
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    index: usize,
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize)]
struct Logprobs {
    top_logprobs: Option<Vec<Option<Position>>>,
}

/// Log-probabilities by `token_id:…`.
type Position = BTreeMap<String, Option<f64>>;

#[derive(Deserialize)]
struct Usage {
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

pub(super) fn answer(body: Value, ask: Ask<'_>) -> Result<Answer, AnswerProblem> {
    let Completions { model, choices, usage } = typed(body)?;
    let rows = choices.into_iter().map(|choice| Ok((choice.index, row(choice)?)));
    let mut rows = placed(rows.collect::<Result<_, _>>()?, ask.sequences.len())?;
    let cached = usage.and_then(|usage| usage.prompt_tokens_details?.cached_tokens);
    // It says so of one sequence of a request, whichever.
    if let [row] = &mut rows[..] {
        row.cached = cached;
    }
    Ok(Answer { rows, model })
}

fn row(choice: Choice) -> Result<Row, AnswerProblem> {
    let listed = choice.logprobs.and_then(|logprobs| logprobs.top_logprobs?.into_iter().next().flatten());
    let id = |key: &str| key.strip_prefix(ID).and_then(|id| id.parse().ok());
    let listed = listed.unwrap_or_default().into_iter().map(|(key, logprob)| id(&key).map(|id| (id, logprob)));
    let listed = listed.collect::<Option<_>>().ok_or(AnswerProblem::NoIds { sequence: choice.index })?;
    Ok(Row { listed, cached: None })
}

pub(super) fn tokenize(model: &str, text: &str) -> Request {
    ("/tokenize", json!({ "model": model, "prompt": text, "add_special_tokens": false }))
}

pub(super) fn detokenize(model: &str, tokens: &[Token]) -> Request {
    ("/detokenize", json!({ "model": model, "tokens": tokens }))
}
