//! A decoder's description as a Hugging Face `config.json`.

use std::path::Path;

use saffron_core::Token;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::entry;
use crate::config::{Activation, ContextLength, DecoderConfig, LongRope, RopeScaling, Rotary, Yarn};
use crate::error::LoadError;
use crate::files::write_whole;

impl DecoderConfig {
    /// Writes a `config.json` that names the type of the weights beside it, as Hugging Face spells
    /// it. Reading it again gives this configuration, with the rotary frequencies for short
    /// contexts.
    ///
    /// # Errors
    ///
    /// Choices that the family's files have no fields for; what the file system says.
    pub fn save(&self, path: &Path, torch_dtype: &str) -> Result<(), LoadError> {
        self.check_written(path)?;
        // Which token begins a text is the tokenizer's to say.
        let text = serde_json::to_vec_pretty(&self.file(torch_dtype, None)).map_err(LoadError::json(path))?;
        write_whole(path, &text)
    }

    /// What a `config.json` holds beside weights of a type, for a tokenizer whose texts begin with
    /// `bos`.
    pub(crate) fn file(&self, torch_dtype: &str, bos: Option<Token>) -> Value {
        let mut value = self.to_json();
        value["torch_dtype"] = torch_dtype.into();
        value["bos_token_id"] = bos.into();
        value
    }

    /// Refuses choices that a file of the family cannot say.
    pub(crate) fn check_written(&self, path: &Path) -> Result<(), LoadError> {
        let written = Self::of_json(&object(self.to_json()), path)?;
        let expected = self.clone().for_contexts(ContextLength::Short);
        match written == expected {
            true => Ok(()),
            false => {
                let expected = format!("choices that a {} has, {:?}", self.choices.family, written.choices);
                Err(LoadError::field(path, "choices", expected, format!("{:?}", self.choices)))
            }
        }
    }

    fn to_json(&self) -> Value {
        let entry = entry(self.choices.family);
        let mut fields = object(json!({
            "architectures": [entry.architecture],
            "model_type": entry.name.name(),
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "tie_word_embeddings": self.tie_word_embeddings,
            "bos_token_id": null,
            "eos_token_id": ids_json(&self.eos_token_ids),
        }));
        fields.extend((entry.fields)(self));
        Value::Object(fields)
    }

    /// `rope_theta` and `rope_scaling` of positions that all rotated layers share.
    pub(super) fn rope_fields(&self) -> Map<String, Value> {
        let rotary = self.choices.layers.kinds().iter().find_map(|layer| layer.rotary.as_ref());
        rotary.map(|rotary| rotary_fields(rotary, self.head_dim)).unwrap_or_default()
    }

    /// `layer_types` and `sliding_window`.
    pub(super) fn window_fields(&self) -> Map<String, Value> {
        let kind = |layer| if self.layer(layer).window.is_some() { "sliding_attention" } else { "full_attention" };
        let kinds: Vec<&str> = (0..self.num_hidden_layers).map(kind).collect();
        object(json!({ "sliding_window": self.window(), "layer_types": kinds }))
    }

    /// The width of the layers' windows.
    pub(super) fn window(&self) -> Option<usize> {
        self.choices.layers.kinds().iter().find_map(|layer| layer.window)
    }

    /// The scalar `s` of a scale of scores `1/√s`.
    pub(super) fn score_scalar(&self) -> Value {
        let scale = self.score_scale();
        let scalar = 1.0 / (scale * scale);
        let near = scalar.round();
        // Transformers wants it whole where it is.
        if near.powf(-0.5) == scale {
            return json!(near as u64);
        }
        let neighbours = [scalar, scalar.next_up(), scalar.next_down(), scalar.next_up().next_up()];
        json!(neighbours.into_iter().find(|scalar| scalar.powf(-0.5) == scale).unwrap_or(scalar))
    }
}

/// An activation as Hugging Face spells it.
pub(super) fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::Silu => "silu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
    }
}

/// The fields of a JSON object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

fn rotary_fields(rotary: &Rotary, head_dim: usize) -> Map<String, Value> {
    let mut fields = object(json!({ "rope_theta": rotary.theta, "rope_scaling": rotary.scaling.to_json() }));
    if let Some(width) = rotary.width {
        fields.insert(String::from("partial_rotary_factor"), json!(share(width, head_dim)));
    }
    fields
}

/// The share of a head that is rotated, such that cutting its product with the width to a whole
/// number gives it again.
fn share(width: usize, head_dim: usize) -> f64 {
    let share = width as f64 / head_dim as f64;
    if (head_dim as f64 * share) as usize == width { share } else { share.next_up() }
}

/// End-of-sequence ids as configurations hold them: none, one or a list.
pub(crate) fn ids_json(ids: &[Token]) -> Value {
    match ids {
        [] => Value::Null,
        [token] => json!(token),
        tokens => json!(tokens),
    }
}

impl RopeScaling {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Plain => Value::Null,
            Self::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": whole_if_it_is(*original_max_position_embeddings),
            }),
            Self::Yarn(yarn) => yarn.to_json(),
            Self::LongRope(scaling) => scaling.to_json(),
        }
    }
}

impl Yarn {
    fn to_json(self) -> Value {
        json!({
            "rope_type": "yarn",
            "factor": self.factor,
            "beta_fast": self.beta_fast,
            "beta_slow": self.beta_slow,
            "original_max_position_embeddings": whole_if_it_is(self.original_max_position_embeddings),
            "attention_factor": self.attention_factor,
            "truncate": self.truncate,
        })
    }
}

impl LongRope {
    fn to_json(&self) -> Value {
        json!({
            "rope_type": "longrope",
            "short_factor": self.short_factor,
            "long_factor": self.long_factor,
            "original_max_position_embeddings": whole_if_it_is(self.original_max_position_embeddings),
            "attention_factor": self.attention_factor,
        })
    }
}

/// Transformers wants lengths without a decimal point.
pub(super) fn whole_if_it_is(length: f64) -> Value {
    let whole = length as u64;
    if whole as f64 == length { json!(whole) } else { json!(length) }
}

/// In the form of `config.json`.
impl Serialize for DecoderConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}
