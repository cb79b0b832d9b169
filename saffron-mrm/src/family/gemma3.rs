//! Gemma 3, as a model of text or as the text part of a multimodal one: like Gemma 2 with queries
//! and keys normed head by head, without a cap on scores, and with two bases of rotary positions:
//! one for layers with a window, another, which may be stretched, for those without.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gemma2::gemma_of_gguf;
use super::gemma2::{gemma, gemma_fields};
#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
use super::model::Model;
use super::rope::Rope;
use super::write::object;
use super::{Defaults, Entry};
use crate::config::{Choices, DecoderConfig, Family, Fields, HeadNormKind, RopeScaling, Rotary};
use crate::error::LoadError;

const NAME: Family = Family("gemma3_text");
const THETA: f64 = 1_000_000.0;
const WINDOWED_THETA: f64 = 10_000.0;
/// Every layer of this number has no window.
const PATTERN: usize = 6;

pub(super) const GEMMA3: Entry = Entry {
    name: NAME,
    architecture: "Gemma3ForCausalLM",
    // Multimodal files leave sizes out.
    defaults: Defaults {
        sizes: &[
            ("vocab_size", 262_208),
            ("hidden_size", 2304),
            ("intermediate_size", 9216),
            ("num_hidden_layers", 26),
            ("num_attention_heads", 8),
            ("num_key_value_heads", 4),
            ("head_dim", 256),
            ("max_position_embeddings", 131_072),
        ],
        eps: 1e-6,
        tied: true,
    },
    always_tied: true,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: Some(Gguf::new("gemma3", of_gguf).writing(to_gguf)),
};

/// A configuration with a part about text in it, and parts that are not read.
pub(super) struct Multimodal {
    pub(super) model_type: &'static str,
    pub(super) architecture: &'static str,
    /// The field of the part about text.
    pub(super) part: &'static str,
    /// What the names of that part's modules begin with.
    pub(super) modules: &'static str,
    /// The family of that part.
    pub(super) text: &'static Entry,
}

pub(super) const MULTIMODAL: Multimodal = Multimodal {
    model_type: "gemma3",
    architecture: "Gemma3ForConditionalGeneration",
    part: "text_config",
    modules: "model.language_model.",
    text: &GEMMA3,
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    let pattern = model.interval("sliding_window_pattern", PATTERN)?;
    let sliding = model.sliding(|layer| (layer + 1) % pattern != 0)?;
    let (full, windowed) = rotaries(model)?;
    let rotary = |layer: usize| Some(if sliding[layer] { windowed.clone() } else { full.clone() });
    let layers = model.layers_of(&sliding, model.window(Some(4096))?, rotary)?;
    // transformers reads this field and does not apply it.
    if let Some(cap) = model.fields.number("attn_logit_softcapping")? {
        return Err(model.fields.refuse("attn_logit_softcapping", "null", cap));
    }
    Ok(Choices {
        head_norms: HeadNormKind::PerHead,
        logit_cap: model.cap("final_logit_softcapping", None)?,
        ..gemma(model, NAME, layers)?
    })
}

/// The positions of layers without a window, and of those with one.
fn rotaries(model: &Model<'_>) -> Result<(Rotary, Rotary), LoadError> {
    let full = Rope::new(model, THETA).by_layer_type();
    let windowed = Rope::new(model, WINDOWED_THETA).with_base_field("rope_local_base_freq").by_layer_type();
    let Some([of_full, of_windowed]) = nested(model)? else {
        return Ok((full.resolve()?, windowed.unscaled()?));
    };
    let scaling = model.fields.read("rope_scaling", "an object or null", Value::as_object)?;
    if let Some((name, _)) = scaling.and_then(|object| object.iter().next()) {
        return Err(model.fields.refuse("rope_scaling", "nothing beside rope_parameters", name));
    }
    let of =
        |rope: Rope<'_>, object: Option<Fields<'_>>| object.map_or_else(|| rope.unscaled(), |object| rope.of(object));
    Ok((of(full, of_full)?, of(windowed, of_windowed)?))
}

/// The objects of `rope_parameters` for layers without a window and for those with one, where the
/// file has `rope_parameters`.
fn nested<'a>(model: &Model<'a>) -> Result<Option<[Option<Fields<'a>>; 2]>, LoadError> {
    const KINDS: [(&str, &str); 2] = [
        ("full_attention", "rope_parameters.full_attention"),
        ("sliding_attention", "rope_parameters.sliding_attention"),
    ];
    let fields = model.fields;
    let json = fields.read("rope_parameters", "an object or null", Value::as_object)?;
    let Some(json) = json.filter(|json| !json.is_empty()) else { return Ok(None) };
    let outer = fields.within(json, "rope_parameters");
    if let Some((other, value)) = outer.all().find(|(name, _)| !KINDS.iter().any(|(kind, _)| kind == name)) {
        return Err(outer.refuse(other, "full_attention and sliding_attention alone", value));
    }
    let part = |(kind, name)| {
        let json = outer.read(kind, "an object or null", Value::as_object)?;
        Ok::<_, LoadError>(json.map(|json| fields.within(json, name)))
    };
    let [full, windowed] = KINDS.map(part);
    Ok(Some([full?, windowed?]))
}

/// The positions of layers with a window are never stretched here; by yarn llama.cpp stretches
/// them, too.
#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    let full = model.rotary()?;
    match full.scaling {
        RopeScaling::Plain | RopeScaling::Linear { .. } => {}
        _ => return Err(model.keys.refuse("rope.scaling.type", "none or linear", "another")),
    }
    let windowed = Rotary::plain(model.keys.real(gguf::WINDOWED_THETA)?.unwrap_or(WINDOWED_THETA));
    let window = model.window()?;
    let sliding = model.sliding(window, PATTERN)?;
    let layers =
        model.layers_of(&sliding, window, |layer| Some(if sliding[layer] { windowed.clone() } else { full.clone() }));
    Ok(Choices {
        head_norms: HeadNormKind::PerHead,
        logit_cap: model.keys.real(gguf::LOGIT_CAP)?,
        ..gemma_of_gguf(model, NAME, layers, 62)
    })
}

#[cfg(feature = "gguf")]
fn to_gguf(config: &DecoderConfig, written: &mut gguf::Written) {
    let windowed = rotary_of(config, true);
    written.real_if_there(gguf::WINDOWED_THETA, windowed.map(|rotary| rotary.theta));
    written.real_if_there(gguf::LOGIT_CAP, config.choices.logit_cap);
    written.window(config, Some(PATTERN));
}

/// The positions of layers with a window, or of those without.
fn rotary_of(config: &DecoderConfig, windowed: bool) -> Option<&Rotary> {
    let layer = config.choices.layers.kinds().iter().find(|layer| layer.window.is_some() == windowed);
    layer.and_then(|layer| layer.rotary.as_ref())
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = gemma_fields(config);
    fields.extend(object(json!({
        "attn_logit_softcapping": null,
        "final_logit_softcapping": config.choices.logit_cap,
    })));
    let stretched = |rotary: &Rotary| rotary.scaling != RopeScaling::Plain;
    let (full, windowed) = (rotary_of(config, false), rotary_of(config, true));
    fields.extend(match windowed.is_some_and(stretched) {
        // The older style has no room for it.
        true => object(json!({ "rope_parameters": {
            "full_attention": full.map(parameters),
            "sliding_attention": windowed.map(parameters),
        }})),
        false => object(json!({
            "rope_theta": full.map_or(THETA, |rotary| rotary.theta),
            "rope_scaling": full.map(|rotary| rotary.scaling.to_json()),
            "rope_local_base_freq": windowed.map_or(WINDOWED_THETA, |rotary| rotary.theta),
        })),
    });
    fields
}

/// Positions in the newer style.
fn parameters(rotary: &Rotary) -> Map<String, Value> {
    let mut fields = object(rotary.scaling.to_json());
    fields.entry("rope_type").or_insert_with(|| "default".into());
    fields.insert(String::from("rope_theta"), rotary.theta.into());
    fields
}
