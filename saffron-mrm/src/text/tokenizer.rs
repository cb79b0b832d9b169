//! A `tokenizer.json` with what `tokenizer_config.json` says about it.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use saffron_core::{Token, Vocabulary, VocabularyError, VocabularyId};
use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::chat::Piece;
use crate::LoadError;
use crate::checkpoint::files::{read_capped, read_json_if_there};

const MAX_TOKENIZER: u64 = 256 << 20;

/// Text that cannot be turned into tokens, or tokens into text.
#[derive(Debug, thiserror::Error)]
#[error("the tokenizer failed: {0}")]
pub struct TextError(pub(crate) Box<dyn Error + Send + Sync>);

/// The part of `tokenizer_config.json` that matters here.
#[derive(Debug, Default, Deserialize)]
struct RawConfig {
    bos_token: Option<Value>,
    eos_token: Option<Value>,
    #[serde(default)]
    clean_up_tokenization_spaces: Option<bool>,
}

/// What a tokenizer is made of.
pub(crate) struct TokenizerParts {
    /// Where it comes from.
    pub(crate) path: PathBuf,
    /// A `tokenizer.json`.
    pub(crate) json: Vec<u8>,
    /// The text of the beginning of a sequence.
    pub(crate) bos: Option<String>,
    /// The text of the end of a sequence.
    pub(crate) eos: Option<String>,
    /// Whether decoding takes spaces away before punctuation.
    pub(crate) clean_up: bool,
}

/// A tokenizer that never takes a user's text for control tokens.
pub struct TextTokenizer {
    /// For text that was written by the author of a layout: special tokens in it are special.
    markup: Tokenizer,
    /// For everybody else's text: special tokens in it are just letters.
    plain: Tokenizer,
    /// Ids that no text from outside may become.
    special: BTreeSet<Token>,
    clean_up: bool,
    bos: Option<Token>,
    eos: Option<Token>,
    id: VocabularyId,
    size: usize,
}

impl fmt::Debug for TextTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextTokenizer").field("id", &self.id).field("size", &self.size).finish_non_exhaustive()
    }
}

impl TextTokenizer {
    /// Reads `tokenizer.json` and, if there, `tokenizer_config.json` of a directory whose model has `vocab_size` embeddings.
    ///
    /// # Errors
    ///
    /// Unreadable files, or a tokenizer with ids that the model has no embedding for.
    pub fn from_dir(dir: &Path, vocab_size: usize) -> Result<Self, LoadError> {
        let path = dir.join("tokenizer.json");
        let json = read_capped(&path, MAX_TOKENIZER)?;
        let config: RawConfig = read_json_if_there(&dir.join("tokenizer_config.json"))?.unwrap_or_default();
        let text = |token: Option<Value>| token.as_ref().and_then(token_text).map(str::to_owned);
        let (bos, eos) = (text(config.bos_token), text(config.eos_token));
        let clean_up = config.clean_up_tokenization_spaces.unwrap_or(false);
        Self::from_parts(TokenizerParts { path, json, bos, eos, clean_up }, vocab_size)
    }

    /// A tokenizer of its parts.
    pub(crate) fn from_parts(parts: TokenizerParts, vocab_size: usize) -> Result<Self, LoadError> {
        let TokenizerParts { path, json: bytes, bos, eos, clean_up } = parts;
        let wrap = |source| LoadError::Tokenizer { path: path.clone(), source };
        let mut markup = Tokenizer::from_bytes(&bytes).map_err(wrap)?;
        let mut plain = match without_markup_tokens(&bytes) {
            Some(changed) => Tokenizer::from_bytes(changed).map_err(wrap)?,
            None => markup.clone(),
        };
        plain.set_encode_special_tokens(true);
        // Training leaves its length limits in the file; a prompt is neither cut nor padded.
        for tokenizer in [&mut markup, &mut plain] {
            tokenizer.with_truncation(None).map_err(wrap)?.with_padding(None);
        }
        let highest = markup.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        if highest > vocab_size {
            let expected = format!("ids below the model's vocab_size = {vocab_size}");
            return Err(LoadError::field(&path, "vocabulary", expected, format!("ids up to {}", highest - 1)));
        }
        let id = |token: Option<String>| markup.token_to_id(&token?);
        Ok(Self {
            bos: id(bos),
            eos: id(eos),
            clean_up,
            id: fingerprint(&markup),
            special: {
                let added = plain.get_added_tokens_decoder();
                added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect()
            },
            size: vocab_size,
            markup,
            plain,
        })
    }

    /// Tokens of somebody's text. No special token comes of it, whatever it spells, and none is added.
    ///
    /// # Errors
    ///
    /// Text that the tokenizer cannot encode.
    pub fn encode(&self, text: &str) -> Result<Vec<Token>, TextError> {
        let encoding = self.plain.encode(text, false).map_err(TextError)?;
        let special = |id: &u32| self.special.contains(id);
        let Some(place) = encoding.get_ids().iter().position(special) else {
            return Ok(encoding.get_ids().to_vec());
        };
        // The model's own vocabulary may hold a special token as a word. Such a piece is encoded in two parts.
        let (start, end) = encoding.get_offsets()[place];
        let first = text.get(start..end).and_then(|piece| piece.chars().next()).map_or(0, char::len_utf8);
        if first == 0 || start + first >= end {
            return Err(TextError(format!("{text:?} cannot be written without a special token").into()));
        }
        let (left, right) = text.split_at(start + first);
        Ok([self.encode(left)?, self.encode(right)?].concat())
    }

    /// Tokens of a layout's own text: special tokens that it spells are special. Never for text from outside.
    ///
    /// # Errors
    ///
    /// Text that the tokenizer cannot encode.
    pub fn encode_markup(&self, text: &str) -> Result<Vec<Token>, TextError> {
        Ok(self.markup.encode(text, false).map_err(TextError)?.get_ids().to_vec())
    }

    /// Tokens of a rendered conversation: as transformers encodes it, as long as nothing that is said in it comes to special tokens, alone or
    /// together with what stands beside it; else piece by piece, so that it does not.
    pub(super) fn encode_pieces(&self, pieces: &[Piece<'_>]) -> Result<Vec<Token>, TextError> {
        let text: String = pieces.iter().map(|piece| piece.text()).collect();
        let whole = self.markup.encode(text, false).map_err(TextError)?;
        let (mut parts, mut special, mut end) = (Vec::new(), 0, 0);
        let mut markup = Vec::new();
        for piece in pieces {
            let begin = end;
            end += piece.text().len();
            parts.extend(match piece {
                Piece::Markup(text) => {
                    let tokens = self.encode_markup(text)?;
                    special += tokens.iter().filter(|token| self.special.contains(token)).count();
                    markup.push(begin..end);
                    tokens
                }
                Piece::Said { text, .. } => self.encode(text)?,
            });
        }
        let within = |(from, to): &(usize, usize)| markup.iter().any(|range| range.start <= *from && *to <= range.end);
        let tokens = whole.get_ids().iter().zip(whole.get_offsets());
        let places: Vec<bool> =
            tokens.filter(|(token, _)| self.special.contains(*token)).map(|(_, place)| within(place)).collect();
        match places.len() == special && places.iter().all(|within| *within) {
            true => Ok(whole.get_ids().to_vec()),
            false => Ok(parts),
        }
    }

    /// The text of tokens, special ones skipped, spaces cleaned up if the tokenizer's configuration says so.
    ///
    /// # Errors
    ///
    /// Tokens that the tokenizer cannot decode.
    pub fn decode_text(&self, tokens: &[Token]) -> Result<String, TextError> {
        let text = self.markup.decode(tokens, true).map_err(TextError)?;
        Ok(if self.clean_up { clean_up_spaces(&text) } else { text })
    }

    /// The id of a token by its text.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<Token> {
        self.markup.token_to_id(token)
    }

    /// The beginning-of-sequence token, if the configuration names one.
    #[must_use]
    pub fn bos(&self) -> Option<Token> {
        self.bos
    }

    /// The one end-of-sequence token that the tokenizer's configuration names; a model may have more.
    #[must_use]
    pub fn eos(&self) -> Option<Token> {
        self.eos
    }
}

impl Vocabulary for TextTokenizer {
    fn id(&self) -> VocabularyId {
        self.id
    }

    fn size(&self) -> usize {
        self.size
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        self.decode_text(tokens).map_err(|error| VocabularyError { source: error.0 })
    }
}

/// A token in `tokenizer_config.json`: a text, or an object with one.
pub(super) fn token_text(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content").and_then(Value::as_str))
}

/// The tokenizer with added tokens that look like markup (`<…>`, `[…]`) marked special, where it has such tokens that are not: only
/// special ones can be kept from being recognised in text. Other added tokens (runs of spaces, say) are ordinary words.
fn without_markup_tokens(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut tokenizer: Value = serde_json::from_slice(bytes).ok()?;
    let mut changed = false;
    for token in tokenizer.get_mut("added_tokens")?.as_array_mut()? {
        let markup = token_text(token).is_some_and(|text| {
            (text.starts_with('<') && text.ends_with('>')) || (text.starts_with('[') && text.ends_with(']'))
        });
        if markup && token.get("special").and_then(Value::as_bool) == Some(false) {
            token["special"] = Value::Bool(true);
            changed = true;
        }
    }
    changed.then(|| serde_json::to_vec(&tokenizer).ok()).flatten()
}

/// FNV-1a over the ordinary tokens and their ids, in order of ids. Special tokens are left out: models of one family rename them, and
/// what matters is that ordinary ids mean the same text.
fn fingerprint(tokenizer: &Tokenizer) -> VocabularyId {
    let added = tokenizer.get_added_tokens_decoder();
    let mut tokens: Vec<(u32, String)> = tokenizer.get_vocab(true).into_iter().map(|(text, id)| (id, text)).collect();
    tokens.retain(|(id, _)| !added.get(id).is_some_and(|token| token.special));
    tokens.sort_unstable();
    let bytes = tokens.iter().flat_map(|(id, text)| id.to_le_bytes().into_iter().chain(text.bytes()).chain([0xff]));
    VocabularyId(
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
    )
}

/// What Hugging Face's `decode` does when `clean_up_tokenization_spaces` is set.
fn clean_up_spaces(text: &str) -> String {
    let pairs = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
