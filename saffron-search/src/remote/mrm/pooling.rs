//! Rewards from hidden states: the server pools the last one, the client has the unembedding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use saffron_core::Token;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::remote::AnswerProblem;
use crate::remote::engine::{Request, placed, typed};
use crate::remote::server::{Exchange, Read};

/// The last hidden states of sequences, from vLLM's `/v1/embeddings`.
#[derive(Clone, Debug)]
pub(super) struct HiddenStates<'a> {
    pub(super) model: &'a str,
    /// The width of a hidden state.
    pub(super) width: usize,
}

#[derive(Deserialize)]
struct Embeddings {
    model: Option<String>,
    #[serde(default)]
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: String,
}

impl HiddenStates<'_> {
    fn row(&self, sequence: usize, embedding: &str) -> Result<Vec<f32>, AnswerProblem> {
        let wrong = |found| AnswerProblem::NotHidden { sequence, width: self.width, found };
        let bytes = STANDARD.decode(embedding).map_err(|error| wrong(format!("no base64 ({error})")))?;
        let (chunks, rest) = bytes.as_chunks::<4>();
        let values: Vec<f32> = chunks.iter().map(|four| f32::from_le_bytes(*four)).collect();
        if !rest.is_empty() || values.len() != self.width {
            return Err(wrong(format!("{} bytes", bytes.len())));
        }
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(wrong(value.to_string())),
            None => Ok(values),
        }
    }
}

impl Exchange for HiddenStates<'_> {
    type Row = Vec<f32>;

    fn request(&self, sequences: &[Vec<Token>]) -> Request {
        ("/v1/embeddings", json!({ "model": self.model, "input": sequences, "encoding_format": "base64" }))
    }

    fn read(&self, body: Value, sequences: &[Vec<Token>]) -> Result<Read<Vec<f32>>, AnswerProblem> {
        let Embeddings { model, data } = typed(body)?;
        let rows = data.into_iter().map(|found| (found.index, self.row(found.index, &found.embedding)));
        Ok(Read { rows: placed(rows.collect(), sequences.len())?, model })
    }
}
