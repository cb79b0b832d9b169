//! The tokenizer in a file's metadata, as `tokenizer.json` would have it.

mod byte_level;
mod sentence_piece;

use serde_json::{Value, json};

use super::metadata::Metadata;
use crate::LoadError;
use crate::text::{CleanUp, TokenizerParts};

/// Kinds of tokens.
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// The tokenizer of a file.
pub(super) fn parts(metadata: &Metadata<'_>) -> Result<TokenizerParts, LoadError> {
    let key = "tokenizer.ggml.tokens";
    let tokens = metadata.need(key, metadata.texts(key))?;
    let key = "tokenizer.ggml.token_type";
    let kinds = metadata.integers(key)?.unwrap_or_else(|| vec![NORMAL; tokens.len()]);
    if kinds.len() != tokens.len() {
        return Err(metadata.refuse(key, format!("a type for each of {} tokens", tokens.len()), kinds.len()));
    }
    let vocabulary = Vocabulary { tokens, kinds };
    let key = "tokenizer.ggml.model";
    let json = match metadata.need(key, metadata.text(key))? {
        "gpt2" => byte_level::tokenizer(metadata, &vocabulary)?,
        "llama" => sentence_piece::tokenizer(metadata, &vocabulary)?,
        found => return Err(metadata.refuse(key, "gpt2 (byte-level BPE) or llama (SentencePiece)", found)),
    };
    let special = |name| Ok::<_, LoadError>(metadata.token(name)?.map(|(_, text)| text.to_owned()));
    Ok(TokenizerParts {
        path: metadata.path().to_path_buf(),
        json: serde_json::to_vec(&json).map_err(LoadError::json(metadata.path()))?,
        bos: special("bos")?,
        eos: special("eos")?,
        added: Vec::new(),
        special: Vec::new(),
        clean_up: CleanUp::Never,
    })
}

/// Tokens in the order of their ids, and what kind each is.
struct Vocabulary<'a> {
    tokens: Vec<&'a str>,
    kinds: Vec<i64>,
}

impl Vocabulary<'_> {
    /// Ids by text. Of equal texts the last counts.
    fn ids(&self) -> serde_json::Map<String, Value> {
        let mut ids = serde_json::Map::new();
        for (id, token) in self.tokens.iter().enumerate() {
            ids.insert((*token).to_owned(), id.into());
        }
        ids
    }

    /// Tokens that text is searched for before it is cut to pieces: control tokens, and those that were added to the vocabulary.
    fn added(&self) -> Vec<Value> {
        let kinds = self.kinds.iter().zip(&self.tokens).enumerate();
        let added = kinds.filter(|(_, (kind, _))| [UNKNOWN, CONTROL, USER_DEFINED].contains(*kind));
        added
            .map(|(id, (kind, token))| {
                json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": *kind != USER_DEFINED,
                })
            })
            .collect()
    }

    fn is_normal(&self, id: usize) -> bool {
        self.kinds[id] == NORMAL
    }

    /// A whole `tokenizer.json`.
    fn json(&self, model: Value, normalizer: Value, pre_tokenizer: Value, decoder: Value) -> Value {
        json!({
            "version": "1.0", "truncation": null, "padding": null, "post_processor": null,
            "added_tokens": self.added(), "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "decoder": decoder,
            "model": model,
        })
    }
}
