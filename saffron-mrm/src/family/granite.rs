//! Granite 3: a Llama with four multipliers.

use serde_json::{Map, Value, json};

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
    choices,
    fields,
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
