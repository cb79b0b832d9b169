//! Which family a `config.json` is of. Decided before anything else is read, so that a foreign file
//! is refused by its kind and not by a field that it happens to lack.

use std::path::Path;

use serde_json::{Map, Value};

use super::fields::present;
use crate::brief::cut;
use crate::error::LoadError;

/// Families that the decoder computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Llama,
    Mistral,
}

const SUPPORTED: &str = "llama (or mistral without a sliding window)";

impl Family {
    /// The family of a configuration, if it is one of unquantised weights: by `model_type`, else by
    /// `architectures`.
    pub(super) fn of(raw: &Map<String, Value>, path: &Path) -> Result<Self, LoadError> {
        let family = match present(raw, "model_type") {
            Some(Value::String(kind)) => {
                Self::of_kind(kind).ok_or_else(|| unsupported(path, "model_type", kind, SUPPORTED))
            }
            Some(other) => Err(LoadError::field(path, "model_type", SUPPORTED, other)),
            None => Self::of_architectures(raw, path),
        }?;
        refuse_quantised(raw, path)?;
        Ok(family)
    }

    /// The context that transformers takes where a file names none.
    pub(super) fn positions(self) -> usize {
        match self {
            Self::Llama => 2048,
            Self::Mistral => 131_072,
        }
    }

    fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            "llama" => Some(Self::Llama),
            "mistral" => Some(Self::Mistral),
            _ => None,
        }
    }

    fn of_architectures(raw: &Map<String, Value>, path: &Path) -> Result<Self, LoadError> {
        let supported = "LlamaForCausalLM or MistralForCausalLM, where there is no model_type";
        let Some(found) = present(raw, "architectures") else {
            return Err(LoadError::field(path, "architectures", supported, "nothing"));
        };
        match found.as_array().map(Vec::as_slice) {
            Some([Value::String(name)]) if name == "LlamaForCausalLM" => Ok(Self::Llama),
            Some([Value::String(name)]) if name == "MistralForCausalLM" => Ok(Self::Mistral),
            _ => Err(unsupported(path, "architectures", &found.to_string(), supported)),
        }
    }
}

/// Refuses quantised weights by the method's name. MLX calls the field `quantization`.
fn refuse_quantised(raw: &Map<String, Value>, path: &Path) -> Result<(), LoadError> {
    let fields = ["quantization_config", "quantization", "compression_config"];
    match fields.iter().find_map(|field| Some((*field, present(raw, field)?))) {
        Some((field, value)) => Err(unsupported(path, field, &method(value), "")),
        None => Ok(()),
    }
}

/// The name of a method of quantisation.
fn method(value: &Value) -> String {
    let named = ["quant_method", "quant_algo", "format", "mode"].iter().find_map(|key| value.get(key)?.as_str());
    let bits = || value.get("bits").and_then(Value::as_u64).map(|bits| format!("{bits} bits"));
    // bitsandbytes did not name itself before it had rivals.
    let unnamed = || ["load_in_4bit", "load_in_8bit"].iter().any(|key| value.get(key).is_some());
    match named {
        Some(named) => named.to_owned(),
        None if unnamed() => String::from("bitsandbytes"),
        None => bits().unwrap_or_else(|| String::from("a method without a name")),
    }
}

fn unsupported(path: &Path, field: &str, found: &str, supported: &'static str) -> LoadError {
    LoadError::Unsupported {
        path: path.to_path_buf(),
        field: field.to_owned(),
        found: cut(found.to_owned()),
        supported,
    }
}
