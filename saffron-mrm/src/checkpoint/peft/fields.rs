//! Fields of `adapter_config.json`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Targets;
use super::ordered::Ordered;
use crate::error::LoadError;

/// Fields that change nothing about a trained adapter's arithmetic, or are honoured.
const KNOWN: [&str; 25] = [
    "peft_type",
    "r",
    "lora_alpha",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "base_model_name_or_path",
    "lora_dropout",
    "inference_mode",
    "init_lora_weights",
    "bias",
    "task_type",
    "revision",
    "auto_mapping",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "parent_library",
    "runtime_config",
    "ensure_weight_tying",
    "eva_config",
];

/// Initialisations that subtract what they put into the adapter from the base's weights.
const CHANGE_THE_BASE: [&str; 5] = ["pissa", "olora", "loftq", "corda", "lora_ga"];

pub(super) struct Fields<'a> {
    pub(super) raw: &'a Map<String, Value>,
    pub(super) path: &'a Path,
}

/// The patterns in the order of the file.
#[derive(Deserialize)]
pub(super) struct Patterns {
    pub(super) rank_pattern: Option<Ordered<Value>>,
    pub(super) alpha_pattern: Option<Ordered<Value>>,
}

impl Fields<'_> {
    pub(super) fn refuse_unsupported(&self) -> Result<(), LoadError> {
        if self.text("peft_type") != Some("LORA") {
            return Err(self.wrong("peft_type", "\"LORA\"", self.raw.get("peft_type")));
        }
        let kind = self.text("init_lora_weights");
        if kind.is_some_and(|kind| CHANGE_THE_BASE.iter().any(|name| kind.starts_with(name))) {
            let expected = "one that leaves the base as it is";
            return Err(self.wrong("init_lora_weights", expected, self.raw.get("init_lora_weights")));
        }
        let unsupported = self.raw.iter().find(|(field, value)| !KNOWN.contains(&field.as_str()) && !is_off(value));
        match unsupported {
            Some((field, value)) => Err(self.wrong(field, "nothing (not supported)", Some(value))),
            None => Ok(()),
        }
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.raw.get(field).and_then(Value::as_str)
    }

    pub(super) fn flag(&self, field: &str) -> Result<bool, LoadError> {
        match self.raw.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(on)) => Ok(*on),
            other => Err(self.wrong(field, "true or false", other)),
        }
    }

    /// Which biases are trained: `none`, `all` or `lora_only`.
    pub(super) fn bias(&self) -> Result<String, LoadError> {
        match self.raw.get("bias") {
            None | Some(Value::Null) => Ok(String::from("none")),
            Some(Value::String(bias)) if ["none", "all", "lora_only"].contains(&bias.as_str()) => Ok(bias.clone()),
            other => Err(self.wrong("bias", "\"none\", \"all\" or \"lora_only\"", other)),
        }
    }

    /// The adapted modules. Where none are named, those that PEFT takes for most families.
    pub(super) fn targets(&self) -> Result<Targets, LoadError> {
        let expected = "a list of module names, or a regular expression";
        match self.modules("target_modules", expected)? {
            Some(Targets::Pattern(text)) if text.eq_ignore_ascii_case("all-linear") => Ok(Targets::AllLinear),
            Some(targets) if !targets.is_empty() => Ok(targets),
            Some(_) => Err(self.wrong("target_modules", expected, self.raw.get("target_modules"))),
            None => Ok(Targets::Names(["q_proj", "v_proj"].map(str::to_owned).to_vec())),
        }
    }

    /// A list of module names or a regular expression; none where the field is null.
    pub(super) fn modules(&self, field: &str, expected: &str) -> Result<Option<Targets>, LoadError> {
        match self.raw.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(pattern)) => Ok(Some(Targets::Pattern(pattern.clone()))),
            value => {
                let names = value.and_then(texts);
                names.map(|names| Some(Targets::Names(names))).ok_or_else(|| self.wrong(field, expected, value))
            }
        }
    }

    /// The layers that are adapted: one, several, or all where none is named.
    pub(super) fn layers(&self, targets: &Targets) -> Result<Option<Vec<usize>>, LoadError> {
        let field = "layers_to_transform";
        let layer = |value: &Value| usize::try_from(value.as_u64()?).ok();
        let layers = match self.raw.get(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(layers)) if layers.is_empty() => return Ok(None),
            Some(Value::Array(layers)) => layers.iter().map(layer).collect::<Option<Vec<usize>>>(),
            Some(value) => layer(value).map(|layer| vec![layer]),
        };
        match (layers, targets) {
            (Some(layers), Targets::Names(_) | Targets::AllLinear) => Ok(Some(layers)),
            (Some(_), Targets::Pattern(_)) => {
                Err(self.wrong(field, "nothing beside a regular expression", self.raw.get(field)))
            }
            (None, _) => Err(self.wrong(field, "numbers of layers", self.raw.get(field))),
        }
    }

    /// The names of lists of layers.
    pub(super) fn layers_pattern(&self) -> Result<Vec<String>, LoadError> {
        let field = "layers_pattern";
        let names = match self.raw.get(field) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::String(name)) if name.is_empty() => return Ok(Vec::new()),
            Some(Value::String(name)) => Some(vec![name.clone()]),
            Some(value) => texts(value),
        };
        let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        names
            .filter(|names| names.iter().all(plain))
            .ok_or_else(|| self.wrong(field, "names without dots (no regular expressions)", self.raw.get(field)))
    }

    /// The values of a field's patterns.
    pub(super) fn pattern<T>(
        &self,
        field: &str,
        patterns: Option<Ordered<Value>>,
        parse: impl Fn(&Self, &str, Option<&Value>) -> Result<T, LoadError>,
    ) -> Result<Vec<(String, T)>, LoadError> {
        let patterns = patterns.map(|Ordered(patterns)| patterns).unwrap_or_default();
        let entry = |(pattern, value): (String, Value)| {
            let value = parse(self, &format!("{field}.{pattern}"), Some(&value))?;
            Ok((pattern, value))
        };
        patterns.into_iter().map(entry).collect()
    }

    /// Refuses a field that is neither an object nor null.
    pub(super) fn check_object(&self, field: &str) -> Result<(), LoadError> {
        match self.raw.get(field) {
            None | Some(Value::Null | Value::Object(_)) => Ok(()),
            other => Err(self.wrong(field, "an object", other)),
        }
    }

    pub(super) fn count(&self, field: &str) -> Result<usize, LoadError> {
        self.as_count(field, self.raw.get(field))
    }

    pub(super) fn number(&self, field: &str) -> Result<f64, LoadError> {
        self.as_number(field, self.raw.get(field))
    }

    pub(super) fn as_count(&self, field: &str, value: Option<&Value>) -> Result<usize, LoadError> {
        let count = value.and_then(Value::as_u64).filter(|count| (1..=1 << 16).contains(count));
        count.map(|count| count as usize).ok_or_else(|| self.wrong(field, "1 to 65536", value))
    }

    pub(super) fn as_number(&self, field: &str, value: Option<&Value>) -> Result<f64, LoadError> {
        value.and_then(Value::as_f64).ok_or_else(|| self.wrong(field, "a number", value))
    }

    fn wrong(&self, field: &str, expected: &str, found: Option<&Value>) -> LoadError {
        LoadError::field(self.path, field, expected, found.map_or_else(|| String::from("nothing"), Value::to_string))
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Null, false, empty: a feature that is not in use.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::Number(number) => number.as_f64().is_some_and(|value| value.abs() < f64::EPSILON),
    }
}
