//! Mistral: a Llama without biases whose layers may have a window.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf;
use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry};
use crate::config::{Choices, DecoderConfig, Family};
#[cfg(feature = "gguf")]
use crate::config::{Layer, Layers};
use crate::error::LoadError;

const NAME: Family = Family("mistral");
const THETA: f64 = 10_000.0;
const WINDOW: usize = 4096;

pub(super) const MISTRAL: Entry = Entry {
    name: NAME,
    architecture: "MistralForCausalLM",
    defaults: Defaults {
        sizes: &[("max_position_embeddings", 131_072), ("num_key_value_heads", 8)],
        eps: 1e-6,
        tied: false,
    },
    always_tied: false,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: None,
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    let layers = model.alike(model.rotary(THETA)?, model.window(Some(WINDOW))?)?;
    Ok(Choices { activation: model.activation("hidden_act")?, ..Choices::plain(NAME, layers) })
}

/// A file of Llama's architecture whose layers have a window. The converter writes none, and
/// llama.cpp reads none.
#[cfg(feature = "gguf")]
pub(super) fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    let layer = Layer { rotary: Some(model.rotary()?), window: model.window()? };
    Ok(Choices::plain(NAME, Layers::Alike(layer)))
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "sliding_window": config.window(),
    }));
    fields.extend(config.rope_fields());
    fields
}
