//! OLMo 2: norms behind attention and MLP and none before them; queries and keys are normed over
//! all heads.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry};
use crate::config::{Biases, Choices, DecoderConfig, Family, HeadNormKind, NormPlaces};
use crate::error::LoadError;

const NAME: Family = Family("olmo2");
const THETA: f64 = 10_000.0;

pub(super) const OLMO2: Entry = Entry {
    name: NAME,
    architecture: "Olmo2ForCausalLM",
    defaults: Defaults { sizes: &[("max_position_embeddings", 2048)], eps: 1e-5, tied: false },
    always_tied: false,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: Some(Gguf::new(NAME.0, of_gguf)),
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    let attention = model.fields.flag("attention_bias")?;
    Ok(Choices {
        norms: NormPlaces::After,
        head_norms: HeadNormKind::Whole,
        biases: Biases { qkv: attention, output: attention, mlp: false },
        activation: model.activation("hidden_act")?,
        ..Choices::plain(NAME, model.unwindowed(THETA)?)
    })
}

/// Files of OLMo 3 are of this architecture, too; they have windows and are refused.
#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    let attention = model.attention_bias();
    Ok(Choices {
        norms: NormPlaces::After,
        head_norms: HeadNormKind::Whole,
        biases: Biases { qkv: attention, output: attention, mlp: false },
        ..Choices::plain(NAME, model.unwindowed()?)
    })
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "attention_bias": config.choices.biases.qkv,
    }));
    fields.extend(config.rope_fields());
    fields
}
