//! Llama, and what else calls itself so.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
#[cfg(feature = "gguf")]
use super::mistral;
use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry};
use crate::config::{Biases, Choices, DecoderConfig, Family, Layer, Layers, Rotary};
use crate::error::LoadError;

const NAME: Family = Family("llama");
const THETA: f64 = 10_000.0;

pub(super) const LLAMA: Entry = Entry {
    name: NAME,
    architecture: "LlamaForCausalLM",
    defaults: Defaults { sizes: &[("max_position_embeddings", 2048)], eps: 1e-6, tied: false },
    always_tied: false,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: Some(FILES),
};

/// Files of this architecture, which Mistral's are, too.
#[cfg(feature = "gguf")]
pub(super) const FILES: Gguf =
    Gguf::new(NAME.0, of_gguf).side_by_side(&gguf::FACTORS).writing(|config, written| written.window(config, None));

impl Choices {
    /// A Llama's with rotary positions of a base, nothing stretched, no biases.
    ///
    /// ```
    /// use saffron_mrm::{Biases, Choices};
    /// let biases = Biases { qkv: true, output: true, mlp: false };
    /// let biased = Choices { biases, ..Choices::llama(1e6) };
    /// assert_eq!(biased.family.name(), "llama");
    /// ```
    #[must_use]
    pub fn llama(theta: f64) -> Self {
        Self::plain(NAME, Layers::Alike(Layer { rotary: Some(Rotary::plain(theta)), window: None }))
    }
}

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    let attention = model.fields.flag("attention_bias")?;
    // What some files call the gate, which every file has.
    if let Some(other) = model.fields.text("activation")?.filter(|name| *name != "swiglu") {
        return Err(model.fields.refuse("activation", "swiglu", other));
    }
    Ok(Choices {
        biases: Biases { qkv: attention, output: attention, mlp: model.fields.flag("mlp_bias")? },
        activation: model.activation("hidden_act")?,
        ..Choices::plain(NAME, model.unwindowed(THETA)?)
    })
}

/// Mistral's files are of this architecture, too. One with a window is a Mistral.
#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    if model.window()?.is_some() {
        return mistral::of_gguf(model);
    }
    let (qkv, output, mlp) = (model.attention_bias(), model.output_bias(), model.mlp_bias());
    Ok(Choices { biases: Biases { qkv, output, mlp }, ..Choices::plain(NAME, model.unwindowed()?) })
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let Choices { biases, .. } = config.choices;
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "attention_bias": biases.qkv,
        "mlp_bias": biases.mlp,
    }));
    fields.extend(config.rope_fields());
    fields
}
