//! `adapter_config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::matches_module;
use crate::LoadError;
use crate::checkpoint::files::read_json;

/// The part of a PEFT configuration that this crate honours.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterConfig {
    /// Rank of the factors.
    pub r: usize,
    /// Numerator of the scale.
    pub lora_alpha: f64,
    /// Modules that are adapted, by the end of their names.
    pub target_modules: Vec<String>,
    /// Scale by the rank's square root.
    pub use_rslora: bool,
    /// Other ranks for some modules.
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas for some modules.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// The model that the adapter belongs on.
    pub base_model_name_or_path: Option<String>,
}

/// Fields that change nothing about a trained adapter's arithmetic, or are honoured below.
const HARMLESS: [&str; 22] = [
    "peft_type",
    "r",
    "lora_alpha",
    "target_modules",
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

impl AdapterConfig {
    /// A configuration of one rank for all modules.
    #[must_use]
    pub fn new(r: usize, lora_alpha: f64, target_modules: Vec<String>) -> Self {
        Self {
            r,
            lora_alpha,
            target_modules,
            use_rslora: false,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            base_model_name_or_path: None,
        }
    }

    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Anything that this crate does not do, by name: another method than LoRA, DoRA, trained biases, replicated layers, modules
    /// saved whole, initialisations that changed the base, patterns that are regular expressions.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let raw: Map<String, Value> = read_json(path)?;
        let fields = Fields { raw: &raw, path };
        fields.refuse_unsupported()?;
        let config = Self {
            r: fields.count("r")?,
            lora_alpha: fields.number("lora_alpha")?,
            target_modules: fields.targets()?,
            use_rslora: raw.get("use_rslora").and_then(Value::as_bool).unwrap_or(false),
            rank_pattern: fields.pattern("rank_pattern", |field, value| fields.as_count(field, value))?,
            alpha_pattern: fields.pattern("alpha_pattern", |field, value| fields.as_number(field, value))?,
            base_model_name_or_path: raw.get("base_model_name_or_path").and_then(Value::as_str).map(str::to_owned),
        };
        Ok(config)
    }

    /// Rank and scale of a module, by its full dotted name.
    #[must_use]
    pub fn rank_and_scale(&self, module: &str) -> (usize, f64) {
        fn matching<'a, T>(patterns: &'a BTreeMap<String, T>, module: &str) -> Option<&'a T> {
            patterns.iter().find(|(pattern, _)| matches_module(module, pattern)).map(|(_, value)| value)
        }
        let rank = matching(&self.rank_pattern, module).copied().unwrap_or(self.r);
        let alpha = matching(&self.alpha_pattern, module).copied().unwrap_or(self.lora_alpha);
        let divisor = if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 };
        (rank, alpha / divisor)
    }

    /// The first pattern field that gives a module two different values: PEFT would take the one that stands first in the file.
    pub(super) fn ambiguous(&self, module: &str) -> Option<&'static str> {
        fn differ<T: PartialEq>(patterns: &BTreeMap<String, T>, module: &str) -> bool {
            let mut values = patterns.iter().filter(|(pattern, _)| matches_module(module, pattern)).map(|(_, v)| v);
            values.next().is_some_and(|first| values.any(|other| other != first))
        }
        let fields = [
            ("rank_pattern", differ(&self.rank_pattern, module)),
            ("alpha_pattern", differ(&self.alpha_pattern, module)),
        ];
        fields.into_iter().find(|(_, differ)| *differ).map(|(field, _)| field)
    }

    /// Writes the configuration as PEFT reads it.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, path: &Path) -> Result<(), LoadError> {
        let value = json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base_model_name_or_path,
            "r": self.r,
            "lora_alpha": self.lora_alpha,
            "lora_dropout": 0.0,
            "target_modules": self.target_modules,
            "rank_pattern": self.rank_pattern,
            "alpha_pattern": self.alpha_pattern,
            "use_rslora": self.use_rslora,
            "use_dora": false,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "modules_to_save": null,
        });
        let text = serde_json::to_string_pretty(&value).map_err(LoadError::json(path))?;
        std::fs::write(path, text).map_err(LoadError::io(path))
    }
}

struct Fields<'a> {
    raw: &'a Map<String, Value>,
    path: &'a Path,
}

impl Fields<'_> {
    fn refuse_unsupported(&self) -> Result<(), LoadError> {
        let text = |field: &str| self.raw.get(field).and_then(Value::as_str);
        if text("peft_type") != Some("LORA") {
            return Err(self.wrong("peft_type", "\"LORA\"", self.raw.get("peft_type")));
        }
        if text("bias").is_some_and(|bias| bias != "none") {
            return Err(self.wrong("bias", "\"none\"", self.raw.get("bias")));
        }
        // These initialisations subtract what they put into the adapter from the base's weights.
        let changed = ["pissa", "olora", "loftq", "corda"];
        if text("init_lora_weights").is_some_and(|kind| changed.iter().any(|name| kind.starts_with(name))) {
            let expected = "one that leaves the base as it is";
            return Err(self.wrong("init_lora_weights", expected, self.raw.get("init_lora_weights")));
        }
        let unsupported = self.raw.iter().find(|(field, value)| !HARMLESS.contains(&field.as_str()) && !is_off(value));
        match unsupported {
            Some((field, value)) => Err(self.wrong(field, "nothing (not supported)", Some(value))),
            None => Ok(()),
        }
    }

    fn targets(&self) -> Result<Vec<String>, LoadError> {
        let expected = "a list of module names";
        let value = self.raw.get("target_modules");
        let Some(Value::Array(names)) = value else { return Err(self.wrong("target_modules", expected, value)) };
        let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
        match names {
            Some(names) if !names.is_empty() => Ok(names),
            _ => Err(self.wrong("target_modules", expected, value)),
        }
    }

    fn pattern<T>(
        &self,
        field: &str,
        parse: impl Fn(&str, Option<&Value>) -> Result<T, LoadError>,
    ) -> Result<BTreeMap<String, T>, LoadError> {
        let empty = Map::new();
        let patterns = match self.raw.get(field) {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(patterns)) => patterns,
            other => return Err(self.wrong(field, "an object", other)),
        };
        let entry = |(name, value): (&String, &Value)| {
            let literal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            if !literal {
                let found = Value::String(name.clone());
                return Err(self.wrong(field, "module names (no regular expressions)", Some(&found)));
            }
            Ok((name.clone(), parse(&format!("{field}.{name}"), Some(value))?))
        };
        patterns.iter().map(entry).collect()
    }

    fn count(&self, field: &str) -> Result<usize, LoadError> {
        self.as_count(field, self.raw.get(field))
    }

    fn number(&self, field: &str) -> Result<f64, LoadError> {
        self.as_number(field, self.raw.get(field))
    }

    fn as_count(&self, field: &str, value: Option<&Value>) -> Result<usize, LoadError> {
        let count = value.and_then(Value::as_u64).filter(|count| (1..=1 << 16).contains(count));
        count.map(|count| count as usize).ok_or_else(|| self.wrong(field, "1 to 65536", value))
    }

    fn as_number(&self, field: &str, value: Option<&Value>) -> Result<f64, LoadError> {
        value.and_then(Value::as_f64).ok_or_else(|| self.wrong(field, "a number", value))
    }

    fn wrong(&self, field: &str, expected: &str, found: Option<&Value>) -> LoadError {
        LoadError::field(self.path, field, expected, found.map_or_else(|| String::from("nothing"), Value::to_string))
    }
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
