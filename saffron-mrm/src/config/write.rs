//! The decoder's sizes as a Hugging Face `config.json`.

use std::path::Path;

use saffron_core::Token;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{DecoderConfig, RopeScaling};
use crate::error::LoadError;
use crate::files::write_whole;

impl DecoderConfig {
    /// Refuses sizes that no decoder has, as reading them from a file does: for configurations made in code.
    ///
    /// # Errors
    ///
    /// The first field that is out of its range, by name.
    pub fn validate(&self) -> Result<(), LoadError> {
        self.check(Path::new("config.json"))
    }

    /// Writes a `config.json` that names the type of the weights beside it, as Hugging Face spells it. Reading it again gives this
    /// configuration.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, path: &Path, torch_dtype: &str) -> Result<(), LoadError> {
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

    fn to_json(&self) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": self.rope_scaling.to_json(),
            "tie_word_embeddings": self.tie_word_embeddings,
            "attention_bias": self.attention_bias,
            "mlp_bias": self.mlp_bias,
            "hidden_act": "silu",
            "bos_token_id": null,
            "eos_token_id": ids_json(&self.eos_token_ids),
        })
    }
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
    fn to_json(self) -> Value {
        match self {
            Self::Plain => Value::Null,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": whole_if_it_is(original_max_position_embeddings),
            }),
        }
    }
}

/// Transformers wants lengths without a decimal point.
fn whole_if_it_is(length: f64) -> Value {
    let whole = length as u64;
    if whole as f64 == length { json!(whole) } else { json!(length) }
}

/// In the form of `config.json`.
impl Serialize for DecoderConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}
