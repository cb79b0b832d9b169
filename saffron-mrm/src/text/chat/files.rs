//! Templates in a checkpoint's files.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{ChatTemplate, TemplateError};
use crate::LoadError;
use crate::checkpoint::files::{read_capped, read_json_if_there};
use crate::text::tokenizer::token_text;

const FILE: &str = "chat_template.jinja";
const CONFIG: &str = "tokenizer_config.json";
/// The name of the template that serves where none is named.
const DEFAULT: &str = "default";
const MAX_FILE: u64 = 1 << 20;

#[derive(Default, Deserialize)]
struct RawConfig {
    bos_token: Option<Value>,
    eos_token: Option<Value>,
    chat_template: Option<Templates>,
}

/// One template, or several with names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

impl ChatTemplate {
    /// The chat template of a checkpoint directory: `chat_template.jinja`, else the one in `tokenizer_config.json`, of several the one
    /// named `default`. None where there is none.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, a template that is none.
    pub fn from_dir(dir: &Path) -> Result<Option<Self>, LoadError> {
        let (file, config) = (dir.join(FILE), config(dir)?);
        if file.exists() {
            let source = String::from_utf8(read_capped(&file, MAX_FILE)?);
            let source = source.map_err(|error| refuse(&file, error.to_string()))?;
            return Self::of(&file, source, &config).map(Some);
        }
        let source = match &config.chat_template {
            None => return Ok(None),
            Some(Templates::One(source)) => source.clone(),
            Some(Templates::Named(named)) => {
                find(named, DEFAULT).map_err(|error| refuse(&dir.join(CONFIG), error.to_string()))?
            }
        };
        Self::of(&dir.join(CONFIG), source, &config).map(Some)
    }

    /// The chat template of a name in a checkpoint directory's `tokenizer_config.json`, which may have several (`tool_use`, `rag`).
    ///
    /// # Errors
    ///
    /// Files that cannot be read, no template of that name, a template that is none.
    pub fn named(dir: &Path, name: &str) -> Result<Self, LoadError> {
        let config = config(dir)?;
        let named: &[Named] = match &config.chat_template {
            Some(Templates::Named(named)) => named,
            _ => &[],
        };
        let path = dir.join(CONFIG);
        let source = find(named, name).map_err(|error| refuse(&path, error.to_string()))?;
        Self::of(&path, source, &config)
    }

    fn of(path: &Path, source: String, config: &RawConfig) -> Result<Self, LoadError> {
        let text = |token: &Option<Value>| token.as_ref().and_then(token_text).unwrap_or_default().to_owned();
        let template = Self::new(source).map_err(|error| refuse(path, error.to_string()))?;
        Ok(template.with_special(text(&config.bos_token), text(&config.eos_token)))
    }
}

fn config(dir: &Path) -> Result<RawConfig, LoadError> {
    Ok(read_json_if_there(&dir.join(CONFIG))?.unwrap_or_default())
}

fn find(named: &[Named], wanted: &str) -> Result<String, TemplateError> {
    let found = named.iter().find(|named| named.name == wanted);
    found.map(|named| named.template.clone()).ok_or_else(|| {
        let known: Vec<&str> = named.iter().map(|named| &named.name[..]).collect();
        TemplateError::NoSuchName { wanted: wanted.to_owned(), known: known.join(", ") }
    })
}

fn refuse(path: &Path, reason: String) -> LoadError {
    LoadError::Layout { name: path.display().to_string(), reason }
}
