//! Granite 3: a Llama with four multipliers.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry};
use crate::config::{Biases, Choices, DecoderConfig, Family, Scales};
use crate::error::LoadError;

const NAME: Family = Family("granite");
const THETA: f64 = 10_000.0;

pub(super) const GRANITE: Entry = Entry {
    name: NAME,
    architecture: "GraniteForCausalLM",
    defaults: Defaults { sizes: &[("max_position_embeddings", 2048)], eps: 1e-6, tied: false },
    always_tied: false,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: Some(Gguf::new(NAME.0, of_gguf).side_by_side(&gguf::FACTORS).writing(to_gguf)),
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    let attention = model.fields.flag("attention_bias")?;
    Ok(Choices {
        biases: Biases { qkv: attention, output: attention, mlp: model.fields.flag("mlp_bias")? },
        activation: model.activation("hidden_act")?,
        scales: Scales {
            embedding: model.multiplier("embedding_multiplier")?,
            residual: model.multiplier("residual_multiplier")?,
            score: Some(model.multiplier("attention_multiplier")?),
            logit_divisor: model.multiplier("logits_scaling")?,
        },
        ..Choices::plain(NAME, model.unwindowed(THETA)?)
    })
}

/// A scale of 0 is none, as in llama.cpp.
#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    let (keys, attention) = (model.keys, model.attention_bias());
    // Switches rotary positions off.
    keys.only("rope.scaling.finetuned", true)?;
    Ok(Choices {
        biases: Biases { qkv: attention, output: attention, mlp: model.mlp_bias() },
        scales: Scales {
            embedding: keys.scale(gguf::EMBEDDING_SCALE)?.unwrap_or(1.0),
            residual: keys.scale(gguf::RESIDUAL_SCALE)?.unwrap_or(1.0),
            score: keys.scale(gguf::SCORE_SCALE)?,
            logit_divisor: keys.need_real(gguf::LOGIT_SCALE)?,
        },
        ..Choices::plain(NAME, model.unwindowed()?)
    })
}

#[cfg(feature = "gguf")]
fn to_gguf(config: &DecoderConfig, written: &mut gguf::Written) {
    let scales = config.choices.scales;
    written.real(gguf::SCORE_SCALE, config.score_scale());
    written.real(gguf::EMBEDDING_SCALE, scales.embedding);
    written.real(gguf::RESIDUAL_SCALE, scales.residual);
    written.real(gguf::LOGIT_SCALE, scales.logit_divisor);
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let Choices { biases, scales, .. } = config.choices;
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "attention_bias": biases.qkv,
        "mlp_bias": biases.mlp,
        "embedding_multiplier": scales.embedding,
        "residual_multiplier": scales.residual,
        "attention_multiplier": config.score_scale(),
        "logits_scaling": scales.logit_divisor,
    }));
    fields.extend(config.rope_fields());
    fields
}
