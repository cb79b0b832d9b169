//! Which family a `config.json` is of. Decided before anything else is read, so that a foreign file
//! is refused by its kind and not by a field that it happens to lack.

use std::path::Path;

use serde_json::{Map, Value};

use super::gemma3::MULTIMODAL;
use super::{Entry, TABLE, supported};
use crate::brief::cut;
use crate::config::{Family, present};
use crate::error::LoadError;

/// A family, and the object that describes its decoder.
pub(super) struct Found<'a> {
    pub(super) entry: &'static Entry,
    /// The file's top level, or the part of a multimodal one that is about text.
    pub(super) json: &'a Map<String, Value>,
    /// The part's name.
    pub(super) within: Option<&'static str>,
}

/// The family of a configuration, if it is one of unquantised weights: by `model_type`, else by
/// `architectures`.
pub(super) fn of<'a>(json: &'a Map<String, Value>, path: &Path) -> Result<Found<'a>, LoadError> {
    let found = match present(json, "model_type") {
        Some(Value::String(kind)) if kind == MULTIMODAL.model_type => text_of(json, path),
        Some(Value::String(kind)) => {
            let entry = TABLE.into_iter().find(|entry| entry.name.name() == kind);
            let entry = entry.ok_or_else(|| unsupported(path, "model_type", kind, supported()))?;
            Ok(Found { entry, json, within: None })
        }
        Some(other) => Err(LoadError::field(path, "model_type", format!("one of {}", supported()), other)),
        None => of_architectures(json, path),
    }?;
    refuse_quantised(json, path)?;
    Ok(found)
}

fn of_architectures<'a>(json: &'a Map<String, Value>, path: &Path) -> Result<Found<'a>, LoadError> {
    let known = TABLE.map(|entry| entry.architecture).join(", ");
    let supported = format!("where there is no model_type, one of {known}");
    let Some(found) = present(json, "architectures") else {
        return Err(LoadError::field(path, "architectures", supported, "nothing"));
    };
    let Some([Value::String(name)]) = found.as_array().map(Vec::as_slice) else {
        return Err(unsupported(path, "architectures", &found.to_string(), supported));
    };
    if name == MULTIMODAL.architecture {
        return text_of(json, path);
    }
    match TABLE.into_iter().find(|entry| entry.architecture == name) {
        Some(entry) => Ok(Found { entry, json, within: None }),
        None => Err(unsupported(path, "architectures", &found.to_string(), supported)),
    }
}

/// Whether a family is the text part of multimodal models, too.
pub(crate) fn is_multimodal(family: Family) -> bool {
    MULTIMODAL.text.name == family
}

/// A configuration as one of a model of text alone: of a multimodal one the part that is about
/// text, with what the top level decides; any other as it is.
pub(crate) fn text_alone(mut json: Map<String, Value>) -> Map<String, Value> {
    let is_multimodal = match present(&json, "model_type") {
        Some(kind) => kind == MULTIMODAL.model_type,
        None => present(&json, "architectures").is_some_and(|names| names[0] == MULTIMODAL.architecture),
    };
    let Some(Value::Object(mut text)) = is_multimodal.then(|| json.remove(MULTIMODAL.part)).flatten() else {
        return json;
    };
    text.insert(String::from("tie_word_embeddings"), json.remove("tie_word_embeddings").unwrap_or(Value::Bool(true)));
    for field in ["eos_token_id", "bos_token_id", "pad_token_id", "dtype", "torch_dtype"] {
        text.extend(json.remove(field).filter(|value| !value.is_null()).map(|value| (field.to_owned(), value)));
    }
    text.insert(String::from("model_type"), MULTIMODAL.text.name.name().into());
    text.insert(String::from("architectures"), Value::from([MULTIMODAL.text.architecture].as_slice()));
    text
}

/// The part of a multimodal configuration that is about text.
fn text_of<'a>(json: &'a Map<String, Value>, path: &Path) -> Result<Found<'a>, LoadError> {
    let part = MULTIMODAL.part;
    match json.get(part) {
        Some(Value::Object(text)) => match present(text, "model_type").map(Value::as_str) {
            None => Ok(Found { entry: MULTIMODAL.text, json: text, within: Some(part) }),
            Some(Some(kind)) if kind == MULTIMODAL.text.name.name() => {
                Ok(Found { entry: MULTIMODAL.text, json: text, within: Some(part) })
            }
            Some(kind) => {
                let found = kind.map_or_else(|| String::from("no text"), str::to_owned);
                let expected = MULTIMODAL.text.name;
                Err(LoadError::field(path, format!("{part}.model_type"), expected, found))
            }
        },
        other => {
            let found = other.map_or_else(|| String::from("nothing"), Value::to_string);
            Err(LoadError::field(path, part, "an object", found))
        }
    }
}

/// Refuses quantised weights by the method's name. MLX calls the field `quantization`.
fn refuse_quantised(raw: &Map<String, Value>, path: &Path) -> Result<(), LoadError> {
    let fields = ["quantization_config", "quantization", "compression_config"];
    match fields.iter().find_map(|field| Some((*field, present(raw, field)?))) {
        Some((field, value)) => Err(unsupported(path, field, &method(value), String::new())),
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

fn unsupported(path: &Path, field: &str, found: &str, supported: String) -> LoadError {
    LoadError::Unsupported {
        path: path.to_path_buf(),
        field: field.to_owned(),
        found: cut(found.to_owned()),
        supported,
    }
}
