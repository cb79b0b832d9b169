//! `config.json` of Hugging Face's layout, read and resolved as transformers 5 does.

use std::path::Path;

use serde_json::{Map, Value};

use super::family::Family;
use super::fields::{Fields, present};
use super::{DecoderConfig, rope};
use crate::error::LoadError;
use crate::files::read_json;

/// What transformers takes for `rms_norm_eps` where a file has none.
const EPS: f64 = 1e-6;

/// The configuration in a file, its values not yet checked against each other.
pub(super) fn config(path: &Path) -> Result<DecoderConfig, LoadError> {
    let json: Map<String, Value> = read_json(path)?;
    let family = Family::of(&json, path)?;
    let fields = Fields::of(&json, path);
    refuse_unsupported(family, fields)?;
    let positions = fields.or_default("max_position_embeddings", Fields::count, family.positions())?;
    let (hidden_size, heads) = (fields.needed_count("hidden_size")?, fields.needed_count("num_attention_heads")?);
    let rope = rope::resolve(&json, positions, path)?;
    Ok(DecoderConfig {
        hidden_size,
        intermediate_size: fields.needed_count("intermediate_size")?,
        num_hidden_layers: fields.needed_count("num_hidden_layers")?,
        num_attention_heads: heads,
        num_key_value_heads: fields.count("num_key_value_heads")?.unwrap_or(heads),
        head_dim: fields.count("head_dim")?.unwrap_or(hidden_size / heads.max(1)),
        vocab_size: fields.needed_count("vocab_size")?,
        max_position_embeddings: positions,
        rms_norm_eps: fields.or_default("rms_norm_eps", Fields::number, EPS)?,
        rope_theta: rope.theta,
        rope_scaling: rope.scaling,
        tie_word_embeddings: fields.flag("tie_word_embeddings")?,
        attention_bias: fields.flag("attention_bias")?,
        mlp_bias: fields.flag("mlp_bias")?,
        eos_token_ids: fields.tokens("eos_token_id")?,
    })
}

fn refuse_unsupported(family: Family, fields: Fields<'_>) -> Result<(), LoadError> {
    // Mistral's own defaults, where the file is silent: a window, and eight key heads.
    let defaults = [("sliding_window", "null", 4096), ("num_key_value_heads", "a number", 8)];
    let mut silent =
        defaults.iter().filter(|(field, ..)| family == Family::Mistral && !fields.json.contains_key(*field));
    if let Some((field, expected, default)) = silent.next() {
        return Err(fields.refuse(field, expected, format!("nothing, so Mistral's default of {default}")));
    }
    if let Some(window) = fields.count("sliding_window")? {
        return Err(fields.refuse("sliding_window", "null", window));
    }
    let layers = fields.texts("layer_types")?;
    if let Some(other) = layers.into_iter().find(|layer| *layer != "full_attention") {
        return Err(fields.refuse("layer_types", "full_attention alone", other));
    }
    if let Some(factor) = present(fields.json, "partial_rotary_factor").filter(|factor| factor.as_f64() != Some(1.0)) {
        return Err(fields.refuse("partial_rotary_factor", "1", factor));
    }
    match fields.text("hidden_act")? {
        None | Some("silu") => Ok(()),
        Some(other) => Err(fields.refuse("hidden_act", "silu", other)),
    }
}
