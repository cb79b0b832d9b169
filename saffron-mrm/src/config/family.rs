//! Which family a `config.json` is of. Decided before anything else is read, so that a foreign file
//! is refused by its kind and not by a field that it happens to lack.

use std::path::Path;

use serde_json::{Map, Value};

use crate::LoadError;

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
                Self::of_kind(kind).ok_or_else(|| LoadError::field(path, "model_type", SUPPORTED, kind))
            }
            Some(other) => Err(LoadError::field(path, "model_type", SUPPORTED, other)),
            None => Self::of_architectures(raw, path),
        }?;
        refuse_quantised(raw, path)?;
        Ok(family)
    }

    fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            "llama" => Some(Self::Llama),
            "mistral" => Some(Self::Mistral),
            _ => None,
        }
    }

    fn of_architectures(raw: &Map<String, Value>, path: &Path) -> Result<Self, LoadError> {
        let expected = "LlamaForCausalLM or MistralForCausalLM, as there is no model_type";
        let refuse = |found: &dyn std::fmt::Display| LoadError::field(path, "architectures", expected, found);
        let Some(found) = present(raw, "architectures") else { return Err(refuse(&"nothing")) };
        match found.as_array().map(Vec::as_slice) {
            Some([Value::String(name)]) if name == "LlamaForCausalLM" => Ok(Self::Llama),
            Some([Value::String(name)]) if name == "MistralForCausalLM" => Ok(Self::Mistral),
            _ => Err(refuse(found)),
        }
    }
}

/// A field that is there and not null.
pub(super) fn present<'a>(raw: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    raw.get(field).filter(|value| !value.is_null())
}

/// Refuses quantised weights by the method's name. MLX calls the field `quantization`.
fn refuse_quantised(raw: &Map<String, Value>, path: &Path) -> Result<(), LoadError> {
    let fields = ["quantization_config", "quantization", "compression_config"];
    let Some((field, value)) = fields.iter().find_map(|field| Some((*field, present(raw, field)?))) else {
        return Ok(());
    };
    let method = ["quant_method", "quant_algo", "format", "mode"].iter().find_map(|key| value.get(key)?.as_str());
    let bits = value.get("bits").and_then(Value::as_u64).map(|bits| format!("{bits} bits"));
    let found = method.map(str::to_owned).or(bits).unwrap_or_else(|| String::from("a method without a name"));
    Err(LoadError::field(path, field, "nothing: quantised weights are not supported", found))
}
