//! Templates in a checkpoint's files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{ChatTemplate, TemplateError};
use crate::brief::listed;
use crate::error::LoadError;
use crate::files::small::TEMPLATES;
use crate::files::{is_there, read_json_if_there, read_text};
use crate::text::special::TokenizerConfig;

const FILE: &str = "chat_template.jinja";
/// Where processors (of images, say) had theirs.
const PROCESSOR: &str = "chat_template.json";
const CONFIG: &str = "tokenizer_config.json";
/// The field of either.
const TEMPLATE: &str = "chat_template";
/// The name of the template that serves where none is named.
const DEFAULT: &str = "default";
/// The largest template in a file of its own, in bytes.
pub(crate) const MAX_FILE: u64 = 1 << 20;
const MAX_FILES: usize = 64;

/// A checkpoint's templates by name, each with the file that it is in. One without a name is the
/// default.
type Templates = BTreeMap<String, (String, PathBuf)>;

impl ChatTemplate {
    /// The chat template of a checkpoint directory: that of its files (`chat_template.jinja`,
    /// `additional_chat_templates/`), else of `tokenizer_config.json`, else of a processor
    /// (`chat_template.json`); of several the one named `default`. None where there is none.
    ///
    /// It knows the special tokens that `tokenizer_config.json` and `special_tokens_map.json` name.
    /// Those that a tokenizer's class in transformers adds by itself are not known.
    ///
    /// # Errors
    ///
    /// Files that are there and cannot be read, a template that cannot be parsed, several of which
    /// none is the default.
    pub fn from_dir(dir: &Path) -> Result<Option<Self>, LoadError> {
        let config = TokenizerConfig::from_dir(dir)?;
        let templates = templates(dir, &config)?;
        match templates.is_empty() {
            true => Ok(None),
            false => Self::find(dir, &templates, DEFAULT, &config).map(Some),
        }
    }

    /// The chat template of a name in a checkpoint directory, which may have several (`tool_use`,
    /// `rag`).
    ///
    /// # Errors
    ///
    /// Files that are there and cannot be read, no template of that name, a template that cannot be
    /// parsed.
    pub fn named(dir: &Path, name: &str) -> Result<Self, LoadError> {
        let config = TokenizerConfig::from_dir(dir)?;
        Self::find(dir, &templates(dir, &config)?, name, &config)
    }

    fn find(dir: &Path, templates: &Templates, name: &str, config: &TokenizerConfig) -> Result<Self, LoadError> {
        let Some((source, path)) = templates.get(name) else {
            let known: Vec<&str> = templates.keys().map(String::as_str).collect();
            let known = listed(&known, ", ", |name| (*name).to_owned());
            let error = TemplateError::NoSuchName { wanted: name.to_owned(), known };
            return Err(refuse(dir, error.to_string()));
        };
        let template = Self::new(&source[..]).map_err(|error| refuse(path, error.to_string()))?;
        Ok(config.named().into_iter().fold(template, |template, (name, text)| template.with_token(name, text)))
    }
}

/// The sources of all templates of a checkpoint directory.
pub(crate) fn template_sources(dir: &Path, config: &TokenizerConfig) -> Result<Vec<String>, LoadError> {
    Ok(templates(dir, config)?.into_values().map(|(source, _)| source).collect())
}

/// The same for a directory whose configuration has not been read.
pub(crate) fn template_sources_of(dir: &Path) -> Result<Vec<String>, LoadError> {
    template_sources(dir, &TokenizerConfig::from_dir(dir)?)
}

fn templates(dir: &Path, config: &TokenizerConfig) -> Result<Templates, LoadError> {
    let files = in_files(dir)?;
    if !files.is_empty() {
        return Ok(files);
    }
    let path = dir.join(CONFIG);
    if let Some(value) = config.get(TEMPLATE) {
        return in_json(&path, value);
    }
    let path = dir.join(PROCESSOR);
    let processor: Option<Map<String, Value>> = read_json_if_there(&path)?;
    let templates = processor.as_ref().and_then(|processor| processor.get(TEMPLATE)).filter(|value| !value.is_null());
    templates.map_or_else(|| Ok(Templates::new()), |value| in_json(&path, value))
}

/// One template, or several with names.
fn in_json(path: &Path, value: &Value) -> Result<Templates, LoadError> {
    let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
    let named = |value: &Value| Some((text(value, "name")?, text(value, "template")?));
    let templates: Option<Vec<(String, String)>> = match value {
        Value::String(source) => Some(vec![(DEFAULT.to_owned(), source.clone())]),
        Value::Array(templates) => templates.iter().map(named).collect(),
        _ => None,
    };
    let expected = "a text, or a list of objects with a name and a template each";
    let templates = templates.ok_or_else(|| LoadError::field(path, TEMPLATE, expected, value))?;
    Ok(templates.into_iter().map(|(name, source)| (name, (source, path.to_path_buf()))).collect())
}

/// Templates in files of their own: these go before all others.
fn in_files(dir: &Path) -> Result<Templates, LoadError> {
    let mut found = Vec::new();
    let folder = dir.join(TEMPLATES);
    if is_there(&folder)? {
        for entry in folder.read_dir().map_err(LoadError::io(&folder))? {
            let path = entry.map_err(LoadError::io(&folder))?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|_| path.extension().is_some_and(|kind| kind == "jinja")) {
                found.push((name.to_owned(), path.clone()));
            }
            if found.len() > MAX_FILES {
                return Err(refuse(&folder, format!("more than {MAX_FILES} templates")));
            }
        }
    }
    let file = dir.join(FILE);
    let named = found.iter().any(|(name, _)| name == DEFAULT);
    if is_there(&file)? && !named {
        found.push((DEFAULT.to_owned(), file));
    }
    found.into_iter().map(|(name, path)| Ok((name, (read(&path)?, path)))).collect()
}

fn read(path: &Path) -> Result<String, LoadError> {
    String::from_utf8(read_text(path, MAX_FILE)?).map_err(|error| refuse(path, error.to_string()))
}

fn refuse(path: &Path, reason: String) -> LoadError {
    LoadError::Layout { name: path.display().to_string(), reason }
}
