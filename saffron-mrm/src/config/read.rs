//! `config.json` of Hugging Face's layout, read and resolved as transformers 5 does.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::family::{Family, present};
use super::{DecoderConfig, OneOrMany, rope};
use crate::LoadError;
use crate::checkpoint::files::{MAX_JSON, read_capped};

/// The fields that matter here, as they stand.
#[derive(Deserialize)]
struct RawConfig {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    hidden_act: Option<String>,
    sliding_window: Option<u64>,
    layer_types: Option<Vec<String>>,
    eos_token_id: Option<OneOrMany>,
}

fn default_eps() -> f64 {
    1e-6
}

/// The configuration in a file, its values not yet checked against each other.
pub(super) fn config(path: &Path) -> Result<DecoderConfig, LoadError> {
    let text = read_capped(path, MAX_JSON)?;
    let json: Map<String, Value> = serde_json::from_slice(&text).map_err(LoadError::json(path))?;
    let family = Family::of(&json, path)?;
    let raw: RawConfig = serde_json::from_slice(&text).map_err(LoadError::json(path))?;
    raw.refuse_unsupported(family, &json, path)?;
    let rope = rope::resolve(&json, raw.max_position_embeddings, path)?;
    Ok(DecoderConfig {
        hidden_size: raw.hidden_size,
        intermediate_size: raw.intermediate_size,
        num_hidden_layers: raw.num_hidden_layers,
        num_attention_heads: raw.num_attention_heads,
        num_key_value_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
        head_dim: raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1)),
        vocab_size: raw.vocab_size,
        max_position_embeddings: raw.max_position_embeddings,
        rms_norm_eps: raw.rms_norm_eps,
        rope_theta: rope.theta,
        rope_scaling: rope.scaling,
        tie_word_embeddings: raw.tie_word_embeddings,
        attention_bias: raw.attention_bias,
        mlp_bias: raw.mlp_bias,
        eos_token_ids: raw.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default(),
    })
}

impl RawConfig {
    fn refuse_unsupported(&self, family: Family, json: &Map<String, Value>, path: &Path) -> Result<(), LoadError> {
        // Mistral's own defaults, where the file is silent: a window, and eight key heads.
        let defaults = [("sliding_window", "null", 4096), ("num_key_value_heads", "a number", 8)];
        let mut silent = defaults.iter().filter(|(field, ..)| family == Family::Mistral && !json.contains_key(*field));
        if let Some((field, expected, default)) = silent.next() {
            return Err(LoadError::field(
                path,
                *field,
                expected,
                format!("nothing, so Mistral's default of {default}"),
            ));
        }
        if let Some(window) = self.sliding_window {
            return Err(LoadError::field(path, "sliding_window", "null", window));
        }
        let mut layers = self.layer_types.iter().flatten();
        if let Some(other) = layers.find(|layer| *layer != "full_attention") {
            return Err(LoadError::field(path, "layer_types", "full_attention alone", other));
        }
        if let Some(factor) = present(json, "partial_rotary_factor").filter(|factor| factor.as_f64() != Some(1.0)) {
            return Err(LoadError::field(path, "partial_rotary_factor", "1", factor));
        }
        match self.hidden_act.as_deref() {
            None | Some("silu") => Ok(()),
            Some(other) => Err(LoadError::field(path, "hidden_act", "silu", other)),
        }
    }
}
