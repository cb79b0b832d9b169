//! Qwen3: queries and keys are normed head by head; a head's width is a field of its own.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry, qwen2};
use crate::config::{Biases, Choices, DecoderConfig, Family, HeadNormKind};
use crate::error::LoadError;

const NAME: Family = Family("qwen3");

pub(super) const QWEN3: Entry = Entry {
    name: NAME,
    architecture: "Qwen3ForCausalLM",
    defaults: Defaults {
        sizes: &[("max_position_embeddings", 32_768), ("num_key_value_heads", 32), ("head_dim", 128)],
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
    let attention = model.fields.flag("attention_bias")?;
    Ok(Choices {
        biases: Biases { qkv: attention, output: attention, mlp: false },
        head_norms: HeadNormKind::PerHead,
        activation: model.activation("hidden_act")?,
        ..Choices::plain(NAME, qwen2::layers(model)?)
    })
}

/// The format has no windows for it.
#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    let attention = model.attention_bias();
    Ok(Choices {
        biases: Biases { qkv: attention, output: attention, mlp: false },
        head_norms: HeadNormKind::PerHead,
        ..Choices::plain(NAME, model.unwindowed()?)
    })
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "attention_bias": config.choices.biases.qkv,
        "use_sliding_window": config.window().is_some(),
    }));
    fields.extend(config.window_fields());
    fields.extend(config.rope_fields());
    fields
}
