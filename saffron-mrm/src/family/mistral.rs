//! Mistral: a Llama without biases whose layers may have a window.

use serde_json::{Map, Value, json};

use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry};
use crate::config::{Choices, DecoderConfig, Family};
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
    choices,
    fields,
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    let layers = model.alike(model.rotary(THETA)?, model.window(Some(WINDOW))?)?;
    Ok(Choices { activation: model.activation("hidden_act")?, ..Choices::plain(NAME, layers) })
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "sliding_window": config.window(),
    }));
    fields.extend(config.rope_fields());
    fields
}
