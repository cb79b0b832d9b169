//! Which tokens are control tokens: those that no text from outside may become.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use saffron_core::Token;
use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

use super::file::check_added;
use crate::error::LoadError;
use crate::files::read_json_if_there;
use crate::text::chat::{literals, template_sources};
use crate::text::special::TokenizerConfig;

/// The files that name tokens by their ids.
const NAMING: [&str; 2] = ["generation_config.json", "config.json"];

/// What a checkpoint names as control tokens besides those that its tokenizer marks.
#[derive(Default)]
pub(crate) struct Named {
    /// By their texts.
    pub(crate) texts: Vec<String>,
    /// By their ids.
    pub(crate) ids: Vec<Token>,
    /// What its chat templates write.
    pub(crate) written: Vec<String>,
}

impl Named {
    /// What the files of a directory name.
    pub(super) fn in_dir(dir: &Path, config: &TokenizerConfig) -> Result<Self, LoadError> {
        let mut ids = Vec::new();
        for name in NAMING {
            let values: Map<String, Value> = read_json_if_there(&dir.join(name))?.unwrap_or_default();
            for (_, value) in values.iter().filter(|(key, _)| key.ends_with("_token_id")) {
                let listed = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                ids.extend(listed.iter().filter_map(Value::as_u64).filter_map(|id| Token::try_from(id).ok()));
            }
        }
        let written = template_sources(dir, config)?.iter().flat_map(|source| literals(source)).collect();
        Ok(Self { texts: Vec::new(), ids, written })
    }
}

/// The most that looking for added tokens in templates takes: tokens times bytes of what templates
/// write. A thousand tokens and a template of 16 KiB take 16 million.
const MAX_SEARCH: usize = 1 << 33;

/// Refuses more added tokens and templates than can be looked through.
pub(super) fn check_search(path: &Path, markup: &Tokenizer, named: &Named) -> Result<(), LoadError> {
    let written: usize = named.written.iter().map(String::len).sum();
    let found = markup.get_added_tokens_decoder().len().saturating_mul(written);
    if found <= MAX_SEARCH {
        return Ok(());
    }
    let expected = format!("added tokens times bytes of chat templates of at most {MAX_SEARCH}");
    Err(LoadError::field(path, "chat templates", expected, found))
}

/// The control tokens of a tokenizer by their ids, but for the one of unknown words: ordinary text
/// may become that.
pub(super) fn controls(markup: &Tokenizer, named: &Named, unknown: Option<Token>) -> BTreeSet<Token> {
    let mut controls: BTreeSet<Token> = BTreeSet::new();
    for (id, token) in markup.get_added_tokens_decoder() {
        if token.special || is_turn_mark(&token.content) || is_written(&token.content, &named.written) {
            controls.insert(id);
        }
    }
    controls.extend(named.texts.iter().filter_map(|text| markup.token_to_id(text)));
    // Some configurations name an ordinary letter, such as `!` for padding.
    let word = |id: &Token| markup.id_to_token(*id).is_some_and(|text| text.chars().nth(1).is_some());
    controls.extend(named.ids.iter().copied().filter(word));
    controls.retain(|id| Some(*id) != unknown);
    controls
}

/// Added tokens that are no control tokens yet, and that a template writes.
pub(super) fn written(markup: &Tokenizer, known: &BTreeSet<Token>, texts: &[String]) -> BTreeSet<Token> {
    let added = markup.get_added_vocabulary().get_added_tokens_decoder().iter();
    let new = added.filter(|(id, token)| !known.contains(*id) && is_written(&token.content, texts));
    new.map(|(id, _)| *id).collect()
}

/// A copy of a tokenizer that takes these tokens for words where a text spells them.
pub(super) fn with_words(tokenizer: &Tokenizer, controls: &BTreeSet<Token>) -> tokenizers::Result<Tokenizer> {
    let mut plain = tokenizer.clone();
    let added: BTreeMap<Token, AddedToken> = tokenizer.get_added_tokens_decoder().into_iter().collect();
    let token = |id: &Token| {
        let token = added.get(id).cloned();
        token.or_else(|| Some(AddedToken::from(tokenizer.id_to_token(*id)?, true))).map(|token| token.special(true))
    };
    plain.add_tokens(controls.iter().filter_map(token))?;
    plain.set_encode_special_tokens(true);
    check_added(&plain)?;
    Ok(plain)
}

/// `<|…|>`: what stands around turns is written so, whether marked special or not.
fn is_turn_mark(text: &str) -> bool {
    [("<|", "|>"), ("<\u{ff5c}", "\u{ff5c}>")]
        .iter()
        .any(|(begin, end)| text.len() > begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end))
}

/// Whether one of the texts holds a token. White space and single letters stand in every text.
fn is_written(token: &str, texts: &[String]) -> bool {
    token.trim().chars().nth(1).is_some() && texts.iter().any(|text| text.contains(token))
}
