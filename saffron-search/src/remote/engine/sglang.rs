//! SGLang's native `/generate`. Log-probabilities come as triples of number, id and text.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Request, Row, placed, several};
use crate::remote::AnswerProblem;

pub(super) fn step(ask: Ask<'_>) -> Request {
    let mut body = json!({
        "input_ids": ask.sequences,
        "sampling_params": {
            "max_new_tokens": 1,
            "temperature": 0.0,
            "top_p": 1.0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
        },
        "return_logprob": true,
        "top_logprobs_num": ask.top,
        "logprob_start_len": -1,
        "return_text_in_logprobs": false,
        "stream": false,
    });
    if !ask.wanted.is_empty() {
        body["token_ids_logprob"] = json!(ask.wanted);
    }
    ("/generate", body)
}

#[derive(Deserialize)]
struct Generated {
    meta_info: Meta,
}

#[derive(Deserialize)]
struct Meta {
    cached_tokens: Option<u64>,
    weight_version: Option<String>,
    #[serde(default)]
    output_top_logprobs: Vec<Option<Vec<Triple>>>,
    #[serde(default)]
    output_token_ids_logprobs: Vec<Option<Vec<Triple>>>,
}

/// Log-probability, id, and a text that is not asked for.
type Triple = (Option<f64>, Option<u64>, Value);

pub(super) fn answer(body: Value, ask: Ask<'_>) -> Result<Answer, AnswerProblem> {
    let generated = several::<Generated>(body)?;
    let model = generated.iter().find_map(|generated| generated.meta_info.weight_version.clone());
    let rows =
        generated.into_iter().enumerate().map(|(place, generated)| Ok((place, row(place, generated.meta_info)?)));
    Ok(Answer { rows: placed(rows.collect::<Result<_, _>>()?, ask.sequences.len())?, model })
}

fn row(sequence: usize, meta: Meta) -> Result<Row, AnswerProblem> {
    let first = |positions: Vec<Option<Vec<Triple>>>| positions.into_iter().next().flatten().unwrap_or_default();
    let pairs = |triples: Vec<Triple>| {
        let pairs = triples.into_iter().map(|(logprob, id, _)| id.map(|id| (id, logprob)));
        pairs.collect::<Option<Vec<_>>>().ok_or(AnswerProblem::NoIds { sequence })
    };
    let mut listed = pairs(first(meta.output_top_logprobs))?;
    // A token that was asked for by its id may stand among the most probable ones, too.
    let known: BTreeSet<u64> = listed.iter().map(|(id, _)| *id).collect();
    listed.extend(pairs(first(meta.output_token_ids_logprobs))?.into_iter().filter(|(id, _)| !known.contains(id)));
    Ok(Row { listed, cached: meta.cached_tokens })
}
