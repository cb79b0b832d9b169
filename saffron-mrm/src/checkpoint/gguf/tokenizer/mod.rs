//! The tokenizer in a file's metadata, as `tokenizer.json` would have it.

mod byte_level;
mod pre;
mod sentence_piece;
mod write;

use std::collections::HashMap;

use saffron_core::Token;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

pub(in crate::checkpoint) use self::write::fields;
use super::TEMPLATE;
use crate::config::Metadata;
use crate::error::LoadError;
use crate::family::Architecture;
use crate::text::{CleanUp, Named, TokenizerParts, literals};

/// Kinds of tokens.
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

/// The tokenizer of a file.
pub(super) fn parts(metadata: &Metadata<'_>) -> Result<TokenizerParts, LoadError> {
    let key = "tokenizer.ggml.tokens";
    let tokens = metadata.need(key, metadata.texts(key))?;
    let key = "tokenizer.ggml.token_type";
    let kinds = metadata.integers(key)?.unwrap_or_else(|| vec![NORMAL; tokens.len()]);
    if kinds.len() != tokens.len() {
        return Err(metadata.refuse(key, format!("a type for each of {} tokens", tokens.len()), kinds.len()));
    }
    let listed = tokens.len();
    let mut vocabulary = Vocabulary { tokens, kinds, listed };
    vocabulary.leave_out_padding();
    let key = "tokenizer.ggml.model";
    let json = match metadata.need(key, metadata.text(key))? {
        "gpt2" => byte_level::tokenizer(metadata, &vocabulary)?,
        "llama" => sentence_piece::tokenizer(metadata, &vocabulary, Architecture::of(metadata)?)?,
        found => return Err(metadata.refuse(key, "gpt2 (byte-level BPE) or llama (SentencePiece)", found)),
    };
    let text = |role| Ok::<_, LoadError>(metadata.token(role)?.map(|(_, text)| text.to_owned()));
    Ok(TokenizerParts {
        path: metadata.path().to_path_buf(),
        json,
        bos: text("bos")?,
        eos: text("eos")?,
        added: Vec::new(),
        special: special(metadata),
        named: Named { ids: unwritten(metadata), written: written(metadata)?, ..Named::default() },
        clean_up: CleanUp::Never,
    })
}

/// Roles whose tokens no template writes. Some files name an ordinary word here, so its text stays
/// a word where a reply has it.
const UNWRITTEN: [&str; 2] = ["padding", "unknown"];

/// The texts of tokens with a role: ends of turns, marks for filling in. Single letters stay
/// letters.
fn special(metadata: &Metadata<'_>) -> Vec<String> {
    let named = metadata.named_tokens().into_iter();
    let special = named.filter(|(role, _, text)| !UNWRITTEN.contains(role) && text.chars().nth(1).is_some());
    special.map(|(_, _, text)| text.to_owned()).collect()
}

fn unwritten(metadata: &Metadata<'_>) -> Vec<Token> {
    let named = metadata.named_tokens().into_iter();
    named.filter(|(role, ..)| UNWRITTEN.contains(role)).map(|(_, id, _)| id).collect()
}

/// What the file's chat templates write.
fn written(metadata: &Metadata<'_>) -> Result<Vec<String>, LoadError> {
    Ok(template_sources(metadata)?.iter().flat_map(|source| literals(source)).collect())
}

/// The texts of all chat templates of a file.
pub(super) fn template_sources(metadata: &Metadata<'_>) -> Result<Vec<String>, LoadError> {
    let is_template =
        |key: &&str| key.strip_prefix(TEMPLATE).is_some_and(|name| name.is_empty() || name.starts_with('.'));
    let found = metadata.keys().filter(is_template).filter_map(|key| metadata.text(key).transpose());
    found.map(|text| text.map(str::to_owned)).collect()
}

/// Tokens in the order of their ids, and what kind each is.
struct Vocabulary<'a> {
    tokens: Vec<&'a str>,
    kinds: Vec<i64>,
    /// How many the file lists.
    listed: usize,
}

impl Vocabulary<'_> {
    /// Leaves out the tokens at the end that stand for rows of the embedding without a text.
    fn leave_out_padding(&mut self) {
        let is_padding = |id: usize| self.kinds[id] == UNUSED && self.tokens[id] == format!("[PAD{id}]");
        let padding = (0..self.listed).rev().take_while(|id| is_padding(*id)).count();
        self.tokens.truncate(self.listed - padding);
        self.kinds.truncate(self.listed - padding);
    }

    /// Ids by text. Of equal texts the last counts.
    fn ids(&self) -> HashMap<&str, usize> {
        self.tokens.iter().enumerate().map(|(id, token)| (*token, id)).collect()
    }

    /// Tokens that text is searched for before it is cut to pieces: control tokens, and those that
    /// were added to the vocabulary. `strips` says of a text and whether it is a control token if
    /// the token drops the white space behind it.
    fn added(&self, strips: impl Fn(&str, bool) -> bool) -> Vec<Value> {
        let kinds = self.kinds.iter().zip(&self.tokens).enumerate();
        let added = kinds.filter(|(_, (kind, _))| [UNKNOWN, CONTROL, USER_DEFINED].contains(*kind));
        added
            .map(|(id, (kind, token))| {
                json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false,
                    "rstrip": strips(token, *kind == CONTROL),
                    "normalized": false, "special": *kind != USER_DEFINED,
                })
            })
            .collect()
    }

    fn is_normal(&self, id: usize) -> bool {
        self.kinds[id] == NORMAL
    }

    /// A whole `tokenizer.json`. It is written without being built as a value first, which would
    /// take several times the memory.
    fn json(
        model: &Bpe<'_>,
        added_tokens: Vec<Value>,
        [normalizer, pre_tokenizer, decoder]: [Value; 3],
    ) -> serde_json::Result<Vec<u8>> {
        let file = File {
            version: "1.0",
            truncation: (),
            padding: (),
            added_tokens,
            normalizer,
            pre_tokenizer,
            post_processor: (),
            decoder,
            model,
        };
        serde_json::to_vec(&file)
    }
}

/// A `tokenizer.json`, with null for what is not there.
#[derive(Serialize)]
struct File<'a> {
    version: &'a str,
    truncation: (),
    padding: (),
    added_tokens: Vec<Value>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: (),
    decoder: Value,
    model: &'a Bpe<'a>,
}

/// A model of byte pairs.
#[derive(Serialize)]
struct Bpe<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    dropout: (),
    unk_token: Option<&'a str>,
    continuing_subword_prefix: (),
    end_of_word_suffix: (),
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    #[serde(serialize_with = "ids")]
    vocab: &'a HashMap<&'a str, usize>,
    merges: &'a [(&'a str, &'a str)],
}

impl<'a> Bpe<'a> {
    fn new(vocab: &'a HashMap<&'a str, usize>, merges: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            kind: "BPE",
            dropout: (),
            unk_token: None,
            continuing_subword_prefix: (),
            end_of_word_suffix: (),
            fuse_unk: false,
            byte_fallback: false,
            ignore_merges: false,
            vocab,
            merges,
        }
    }
}

/// In the order of the ids, so that equal vocabularies give equal bytes.
fn ids<S: Serializer>(vocabulary: &&HashMap<&str, usize>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut ids: Vec<(&str, usize)> = vocabulary.iter().map(|(token, id)| (*token, *id)).collect();
    ids.sort_unstable_by_key(|(_, id)| *id);
    serializer.collect_map(ids)
}
