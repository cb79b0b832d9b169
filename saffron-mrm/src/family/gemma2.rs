//! Gemma 2: four norms a layer that multiply by 1 + w, every other layer with a window, soft caps
//! on scores and logits, a scale of scores of its own, embeddings times √hidden.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry};
use crate::config::{
    Activation, Biases, Choices, DecoderConfig, Family, Fields, Layers, NormPlaces, NormWeights, Scales,
};
use crate::error::LoadError;

const NAME: Family = Family("gemma2");
const THETA: f64 = 10_000.0;
const SCORE_CAP: f64 = 50.0;
const LOGIT_CAP: f64 = 30.0;
/// Every layer of this number has no window.
#[cfg(feature = "gguf")]
const PERIOD: usize = 2;

pub(super) const GEMMA2: Entry = Entry {
    name: NAME,
    architecture: "Gemma2ForCausalLM",
    defaults: Defaults {
        sizes: &[
            ("num_attention_heads", 8),
            ("num_key_value_heads", 4),
            ("head_dim", 256),
            ("max_position_embeddings", 8192),
        ],
        eps: 1e-6,
        tied: true,
    },
    always_tied: true,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: Some(Gguf::new(NAME.0, of_gguf).writing(to_gguf)),
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    let rotary = model.rotary(THETA)?;
    let sliding = model.sliding(|layer| layer % 2 == 0)?;
    let window = model.window(Some(4096))?;
    // Some files name the window twice; this name is not read.
    if let Some(other) = model.fields.count("sliding_window_size")?.filter(|other| Some(*other) != window) {
        return Err(model.fields.refuse("sliding_window_size", "what sliding_window says", other));
    }
    let layers = model.layers_of(&sliding, window, |_| Some(rotary.clone()))?;
    Ok(Choices {
        score_cap: model.cap("attn_logit_softcapping", Some(SCORE_CAP))?,
        logit_cap: model.cap("final_logit_softcapping", Some(LOGIT_CAP))?,
        ..gemma(model, NAME, layers)?
    })
}

/// What all Gemmas have in common.
pub(super) fn gemma(model: &Model<'_>, name: Family, layers: Layers) -> Result<Choices, LoadError> {
    if model.fields.flag("use_bidirectional_attention")? {
        return Err(model.fields.refuse("use_bidirectional_attention", "false or null", true));
    }
    let attention = model.fields.flag("attention_bias")?;
    let scalar = model.fields.or_default("query_pre_attn_scalar", Fields::number, 256.0)?;
    // The older name of the activation, which is not read.
    model.fields.text("hidden_act")?;
    let activation = model.activation("hidden_activation")?;
    Ok(Choices { activation, ..common(name, layers, attention, [model.hidden as f64, scalar]) })
}

/// The same of numbers: the width of the residual stream, and what the scale of scores is one
/// through the root of.
fn common(name: Family, layers: Layers, attention: bool, [hidden, scalar]: [f64; 2]) -> Choices {
    Choices {
        norms: NormPlaces::Around,
        norm_weights: NormWeights::OnePlus,
        biases: Biases { qkv: attention, output: attention, mlp: false },
        activation: Activation::GeluTanh,
        scales: Scales { embedding: hidden.sqrt(), score: Some(scalar.powf(-0.5)), ..Scales::default() },
        ..Choices::plain(name, layers)
    }
}

#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    let rotary = model.rotary()?;
    let window = Some(model.window()?.unwrap_or(4096));
    let layers = model.layers_of(&model.sliding(window, PERIOD)?, window, |_| Some(rotary.clone()));
    let cap = |key, absent| Ok::<_, LoadError>(Some(model.keys.real(key)?.unwrap_or(absent)));
    Ok(Choices {
        score_cap: cap(gguf::SCORE_CAP, SCORE_CAP)?,
        logit_cap: cap(gguf::LOGIT_CAP, LOGIT_CAP)?,
        ..gemma_of_gguf(model, NAME, layers, 46)
    })
}

#[cfg(feature = "gguf")]
fn to_gguf(config: &DecoderConfig, written: &mut gguf::Written) {
    written.real_if_there(gguf::SCORE_CAP, config.choices.score_cap);
    written.real_if_there(gguf::LOGIT_CAP, config.choices.logit_cap);
    written.window(config, Some(PERIOD));
}

/// What all Gemmas have in common. The format derives the scale of scores: of a head's width, and
/// in the largest model, which is known by its number of layers, of the width that a head would
/// have without one of its own.
#[cfg(feature = "gguf")]
pub(super) fn gemma_of_gguf(model: &gguf::Model<'_>, name: Family, layers: Layers, largest: usize) -> Choices {
    let scalar = if model.layers == largest { model.hidden / model.heads.max(1) } else { model.head_dim };
    common(name, layers, model.attention_bias(), [model.hidden as f64, scalar as f64])
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = gemma_fields(config);
    fields.extend(object(json!({
        "attn_logit_softcapping": config.choices.score_cap,
        "final_logit_softcapping": config.choices.logit_cap,
    })));
    fields.extend(config.rope_fields());
    fields
}

/// The fields that all Gemmas have in common.
pub(super) fn gemma_fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = object(json!({
        "hidden_activation": activation(config.choices.activation),
        "attention_bias": config.choices.biases.qkv,
        "query_pre_attn_scalar": config.score_scalar(),
    }));
    fields.extend(config.window_fields());
    fields
}
