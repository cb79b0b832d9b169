//! Qwen2 and 2.5: biases on queries, keys and values that no field mentions; windows in the later
//! layers where they are switched on.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry};
use crate::config::{Biases, Choices, DecoderConfig, Family, Fields, Layers};
use crate::error::LoadError;

const NAME: Family = Family("qwen2");
const THETA: f64 = 10_000.0;

pub(super) const QWEN2: Entry = Entry {
    name: NAME,
    architecture: "Qwen2ForCausalLM",
    defaults: Defaults {
        sizes: &[("max_position_embeddings", 32_768), ("num_key_value_heads", 32)],
        eps: 1e-6,
        tied: false,
    },
    always_tied: false,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: Some(Gguf::new(NAME.0, of_gguf)),
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    Ok(Choices {
        biases: Biases { qkv: true, ..Biases::default() },
        activation: model.activation("hidden_act")?,
        ..Choices::plain(NAME, layers(model)?)
    })
}

/// Layers from `max_window_layers` on slide, where windows are on.
pub(super) fn layers(model: &Model<'_>) -> Result<Layers, LoadError> {
    const FULL_LAYERS: usize = 28;
    let window = model.window(Some(4096))?;
    let window = if model.fields.flag("use_sliding_window")? { window } else { None };
    let full = model.fields.or_default("max_window_layers", Fields::count, FULL_LAYERS)?;
    let sliding = model.sliding(|layer| window.is_some() && layer >= full)?;
    let rotary = model.rotary(THETA)?;
    model.layers_of(&sliding, window, |_| Some(rotary.clone()))
}

/// The format has no windows for it.
#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    Ok(Choices { biases: Biases { qkv: true, ..Biases::default() }, ..Choices::plain(NAME, model.unwindowed()?) })
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "use_sliding_window": config.window().is_some(),
    }));
    fields.extend(config.window_fields());
    fields.extend(config.rope_fields());
    fields
}
