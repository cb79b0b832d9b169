//! What the files of a checkpoint name as its special tokens.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::error::LoadError;
use crate::files::read_json_if_there;

const CONFIG: &str = "tokenizer_config.json";
const MAP: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens_decoder";
/// The keys of special tokens without a name, the newer one first.
const EXTRA: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];
/// The names that every tokenizer may have.
const USUAL: [&str; 6] = ["bos_token", "eos_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// `tokenizer_config.json`, with `special_tokens_map.json` where transformers reads that.
///
/// transformers 5 reads the map only beside a configuration without `added_tokens_decoder`; then
/// what the map says counts.
#[derive(Debug, Default)]
pub(crate) struct TokenizerConfig(Map<String, Value>);

impl TokenizerConfig {
    /// Reads the files of a directory; those that are not there say nothing.
    pub(crate) fn from_dir(dir: &Path) -> Result<Self, LoadError> {
        let mut config: Map<String, Value> = read_json_if_there(&dir.join(CONFIG))?.unwrap_or_default();
        if !config.contains_key(ADDED) {
            let map: Map<String, Value> = read_json_if_there(&dir.join(MAP))?.unwrap_or_default();
            config.extend(map);
        }
        Ok(Self(config))
    }

    /// A value by its key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Special tokens by name (`bos_token`, `pad_token`, also names that only this model has).
    pub(crate) fn named(&self) -> BTreeMap<String, String> {
        let own = self.0.iter().filter(|(key, _)| key.ends_with("_token"));
        let models = self.extra().and_then(Value::as_object).into_iter().flatten();
        own.chain(models).filter_map(|(key, value)| Some((key.clone(), token_text(value)?.to_owned()))).collect()
    }

    /// Tokens that these files add to the tokenizer or describe anew, in the order of their ids.
    pub(crate) fn added(&self, path: &Path) -> Result<Vec<AddedToken>, LoadError> {
        let described = self.get(ADDED).and_then(Value::as_object).into_iter().flatten();
        let tokens: Result<BTreeMap<u64, AddedToken>, LoadError> = described
            .map(|(id, token)| {
                let read = id.parse().ok().zip(added_token(token));
                read.ok_or_else(|| LoadError::field(path, ADDED, "ids with a token each", format!("{id}: {token}")))
            })
            .collect();
        Ok(tokens?.into_values().collect())
    }

    /// The texts of special tokens, in transformers' order, but for the one that stands for what is
    /// unknown: ordinary text may become that.
    pub(crate) fn special(&self) -> Vec<String> {
        let extra = self.extra().and_then(Value::as_array).into_iter().flatten();
        let mut named = self.named();
        named.remove("unk_token");
        let usual: Vec<String> = USUAL.iter().filter_map(|name| named.remove(*name)).collect();
        usual.into_iter().chain(named.into_values()).chain(extra.filter_map(token_text).map(str::to_owned)).collect()
    }

    fn extra(&self) -> Option<&Value> {
        let filled = |value: &&Value| match value {
            Value::Array(tokens) => !tokens.is_empty(),
            Value::Object(tokens) => !tokens.is_empty(),
            _ => false,
        };
        EXTRA.iter().filter_map(|key| self.get(key)).find(filled)
    }
}

/// A token in a configuration: a text, or an object with one.
fn token_text(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content").and_then(Value::as_str))
}

/// A token with what `tokenizers` wants to know of it; what is not said is as in Python.
fn added_token(token: &Value) -> Option<AddedToken> {
    let is = |key| token.get(key).and_then(Value::as_bool);
    let special = is("special").unwrap_or(false);
    let added = AddedToken::from(token.get("content")?.as_str()?, special)
        .lstrip(is("lstrip").unwrap_or(false))
        .rstrip(is("rstrip").unwrap_or(false))
        .single_word(is("single_word").unwrap_or(false));
    Some(added.normalized(is("normalized").unwrap_or(!special)))
}
