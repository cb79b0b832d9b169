//! A `tokenizer.json` with what `tokenizer_config.json` and `special_tokens_map.json` say about it.

mod caught;
mod charsmap;
mod controls;
mod file;
mod growth;
mod model;
mod parts;
mod patterns;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saffron_core::{Token, Vocabulary, VocabularyError, VocabularyId};
use tokenizers::{AddedToken, Decoder, Model, ModelWrapper, Tokenizer};

use self::caught::caught;
use self::controls::{check_search, controls, with_words, written};
use self::file::{TokenizerFile, check_added};
use super::chat::{Piece, literals};
use super::special::TokenizerConfig;
use super::spellings::Spellings;
use crate::error::LoadError;
use crate::files::{MAX_TOKENIZER, read_text};

pub(crate) use self::controls::Named;

/// transformers' switch for cleaning up what a BPE decodes, too.
const CLEAN_UP_BPE: &str = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";
/// Text that stands before another and does not merge with it.
const ANCHOR: &str = "\n";

/// Text that cannot be turned into tokens, or tokens into text.
#[derive(Debug, thiserror::Error)]
#[error("the tokenizer failed: {0}")]
pub struct TextError(pub(crate) Box<dyn Error + Send + Sync>);

/// What an id of a tokenizer is.
#[cfg(feature = "gguf")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A word of the model.
    Word,
    /// A token that was added and is an ordinary word.
    Added,
    /// One that decoding leaves out.
    Special,
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
    /// Tokens that are added to those in it, or described anew.
    pub(crate) added: Vec<AddedToken>,
    /// The texts of further special tokens.
    pub(crate) special: Vec<String>,
    /// What else is a control token.
    pub(crate) named: Named,
    /// When decoding takes spaces away before punctuation.
    pub(crate) clean_up: CleanUp,
}

/// When decoding takes spaces away before punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CleanUp {
    Never,
    /// Unless the tokenizer is a BPE: its tokens hold the spaces that are to be there. This is what
    /// transformers 5 does.
    UnlessBpe,
    Always,
}

/// A tokenizer that never takes a user's text for control tokens. Clones share its tables.
///
/// Control tokens are those that its files mark as special, or name (`bos_token`, `pad_token`,
/// `eos_token_id`, …), those of the form `<|…|>`, and added tokens that the checkpoint's chat
/// templates write. Other added tokens, such as runs of spaces or `<td>`, are ordinary words.
///
/// Its files are not trusted: what would make reading them or a text cost without bound is refused.
#[derive(Clone)]
pub struct TextTokenizer {
    /// For text that was written by the author of a layout: control tokens in it are such.
    markup: Arc<Tokenizer>,
    /// For everybody else's text: control tokens in it are just letters.
    plain: Arc<Tokenizer>,
    /// Ids that no text from outside may become. The one of unknown words is not among them.
    special: Arc<BTreeSet<Token>>,
    /// The texts of these ids.
    spellings: Arc<Spellings>,
    notices: Arc<Vec<String>>,
    /// Whether a text that stands alone begins with a space that it does not have.
    prefix_space: bool,
    clean_up: bool,
    bos: Option<Token>,
    eos: Option<Token>,
    unknown: Option<Token>,
    id: VocabularyId,
    size: usize,
    /// One more than the highest id that has a text.
    known: usize,
}

impl fmt::Debug for TextTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextTokenizer").field("id", &self.id).field("size", &self.size).finish_non_exhaustive()
    }
}

impl TextTokenizer {
    /// Reads `tokenizer.json` and, if there, `tokenizer_config.json` and `special_tokens_map.json`
    /// of a directory whose model has `vocab_size` embeddings.
    ///
    /// # Errors
    ///
    /// Unreadable files, or a tokenizer with ids that the model has no embedding for.
    pub fn from_dir(dir: &Path, vocab_size: usize) -> Result<Self, LoadError> {
        let path = dir.join("tokenizer.json");
        let json = read_text(&path, MAX_TOKENIZER)?;
        let config = TokenizerConfig::from_dir(dir)?;
        let mut named = config.named();
        let clean_up = match config.is_on("clean_up_tokenization_spaces") {
            true if config.is_on(CLEAN_UP_BPE) => CleanUp::Always,
            true => CleanUp::UnlessBpe,
            false => CleanUp::Never,
        };
        let (bos, eos) = (named.remove("bos_token"), named.remove("eos_token"));
        let (added, special, named) = (config.added(dir)?, config.special(), Named::in_dir(dir, &config)?);
        let parts = TokenizerParts { path, json, bos, eos, added, special, named, clean_up };
        Self::from_parts(parts, vocab_size)
    }

    /// A tokenizer of its parts.
    pub(crate) fn from_parts(mut parts: TokenizerParts, vocab_size: usize) -> Result<Self, LoadError> {
        let mut named = std::mem::take(&mut parts.named);
        let path = &parts.path;
        let file = TokenizerFile::read(path, &parts.json, vocab_size)?;
        let mut notices: Vec<String> =
            file.model.dropout().map(|share| dropout_notice(path, share)).into_iter().collect();
        let (unknown_text, unknown_id) = file.model.unknown();
        let (unknown_text, unknown_id) = (unknown_text.map(str::to_owned), unknown_id);
        let (mut markup, left_out) = file.build(path, &parts.json, vocab_size)?;
        notices.extend(left_out.first().map(|first| left_out_notice(path, first, left_out.len())));
        let highest = markup.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        if highest > vocab_size {
            let expected = format!("ids below the model's vocab_size = {vocab_size}");
            return Err(LoadError::field(path, "vocabulary", expected, format!("ids up to {}", highest - 1)));
        }
        let id = fingerprint(&markup);
        let wrap = |source| LoadError::Tokenizer { path: path.clone(), source };
        caught(|| add(&mut markup, &parts, highest..vocab_size)).map_err(wrap)?;
        let token = |token: Option<&String>| markup.token_to_id(token?);
        let unknown = unknown_id.or_else(|| token(unknown_text.as_ref()));
        named.texts.extend([&parts.bos, &parts.eos].into_iter().flatten().chain(&parts.special).cloned());
        check_search(path, &markup, &named)?;
        let special = controls(&markup, &named, unknown);
        let plain = caught(|| with_words(&markup, &special)).map_err(wrap)?;
        let tokenizer = Self {
            bos: token(parts.bos.as_ref()),
            eos: token(parts.eos.as_ref()),
            unknown,
            clean_up: match parts.clean_up {
                CleanUp::Never => false,
                CleanUp::UnlessBpe => !matches!(markup.get_model(), ModelWrapper::BPE(_)),
                CleanUp::Always => true,
            },
            id,
            spellings: Arc::new(spellings(&markup, &special)),
            special: Arc::new(special),
            notices: Arc::new(notices),
            prefix_space: has_prefix_space(&plain).map_err(|TextError(source)| wrap(source))?,
            size: vocab_size,
            known: markup.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1),
            markup: Arc::new(markup),
            plain: Arc::new(plain),
        };
        Ok(tokenizer)
    }

    /// The tokenizer with added tokens that a template writes as control tokens, too.
    pub(super) fn guarding(&self, template: &str) -> Result<Self, TextError> {
        let mut new = written(&self.markup, &self.special, &literals(template));
        new.retain(|id| Some(*id) != self.unknown);
        if new.is_empty() {
            return Ok(self.clone());
        }
        let plain = caught(|| with_words(&self.plain, &new)).map_err(TextError)?;
        let special: BTreeSet<Token> = self.special.union(&new).copied().collect();
        Ok(Self {
            plain: Arc::new(plain),
            spellings: Arc::new(spellings(&self.markup, &special)),
            special: Arc::new(special),
            ..self.clone()
        })
    }

    /// One more than the highest id that has a text. Models have embeddings beyond it, whose rows
    /// were rounded up.
    #[must_use]
    pub fn known(&self) -> usize {
        self.known
    }

    /// The token for unknown words, if there is one.
    pub(crate) fn unknown(&self) -> Option<Token> {
        self.unknown
    }

    /// The text of a token as the vocabulary holds it.
    pub(crate) fn token_text(&self, token: Token) -> Option<String> {
        self.markup.id_to_token(token)
    }

    /// The text of a token as the vocabulary holds it, and what it is.
    #[cfg(feature = "gguf")]
    pub(crate) fn entry(&self, token: Token) -> Option<(String, EntryKind)> {
        let added = self.markup.get_added_vocabulary().get_added_tokens_decoder();
        match added.get(&token) {
            Some(added) if added.special => Some((added.content.clone(), EntryKind::Special)),
            Some(added) => Some((added.content.clone(), EntryKind::Added)),
            None => Some((self.markup.id_to_token(token)?, EntryKind::Word)),
        }
    }

    /// Whether an id has a text. Ids below [`known`](Self::known) may lack one: a vocabulary may have
    /// holes.
    #[must_use]
    pub fn has_text(&self, token: Token) -> bool {
        self.markup.id_to_token(token).is_some()
    }

    /// What was changed on the way from the files, in words for a user.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether a token is a control token: no text from outside becomes it.
    #[must_use]
    pub fn is_control(&self, token: Token) -> bool {
        self.special.contains(&token)
    }

    /// A text in which blanks stand in place of control tokens.
    pub(super) fn without_controls(&self, text: &str) -> String {
        self.spellings.blanked(text)
    }

    /// Tokens of somebody's text, in time and memory linear in its length. No control token comes
    /// of it, whatever it spells, and none is added.
    ///
    /// # Errors
    ///
    /// Text that the tokenizer cannot encode.
    pub fn encode(&self, text: &str) -> Result<Vec<Token>, TextError> {
        self.said(text, false)
    }

    /// Tokens of somebody's text that stands alone, or behind other text.
    fn said(&self, text: &str, continued: bool) -> Result<Vec<Token>, TextError> {
        let whole = self.part(&self.plain, text, continued)?;
        if !self.has_special(&whole) {
            return Ok(whole);
        }
        // The model's own vocabulary may hold a special token as a word. No part spells one.
        let mut tokens = Vec::with_capacity(whole.len());
        for (place, part) in self.spellings.cut(text).into_iter().enumerate() {
            let found = self.part(&self.plain, part, continued || place > 0)?;
            match self.has_special(&found) {
                false => tokens.extend(found),
                true => tokens.extend(self.letters(part)?),
            }
        }
        Ok(tokens)
    }

    /// Tokens of a text letter by letter: the last way to keep special tokens out of it.
    fn letters(&self, text: &str) -> Result<Vec<Token>, TextError> {
        let mut tokens = Vec::new();
        for (place, letter) in text.char_indices() {
            let found = self.part(&self.plain, &text[place..place + letter.len_utf8()], true)?;
            if self.has_special(&found) {
                return Err(TextError(format!("{letter:?} cannot be written without a special token").into()));
            }
            tokens.extend(found);
        }
        Ok(tokens)
    }

    fn has_special(&self, tokens: &[Token]) -> bool {
        tokens.iter().any(|token| self.special.contains(token))
    }

    /// Tokens of a text that stands alone, or behind other text: then a tokenizer that begins texts
    /// with a space leaves it out.
    fn part(&self, tokenizer: &Tokenizer, text: &str, continued: bool) -> Result<Vec<Token>, TextError> {
        if continued && self.prefix_space {
            let (anchor, both) = (ids(tokenizer, ANCHOR)?, ids(tokenizer, &format!("{ANCHOR}{text}"))?);
            if let Some(rest) = both.strip_prefix(&anchor[..]) {
                return Ok(rest.to_vec());
            }
        }
        ids(tokenizer, text)
    }

    /// Tokens of a layout's own text: special tokens that it spells are special. Never for text from outside.
    ///
    /// # Errors
    ///
    /// Text that the tokenizer cannot encode.
    pub fn encode_markup(&self, text: &str) -> Result<Vec<Token>, TextError> {
        ids(&self.markup, text)
    }

    /// Tokens of a layout's own text that stands behind other text.
    pub(super) fn encode_markup_behind(&self, text: &str) -> Result<Vec<Token>, TextError> {
        self.part(&self.markup, text, true)
    }

    /// Tokens of a layout's own text that stands behind other text of its own.
    pub(crate) fn behind(&self, before: &str, text: &str) -> Result<Vec<Token>, TextError> {
        let (alone, both) = (self.encode_markup(before)?, self.encode_markup(&format!("{before}{text}"))?);
        match both.strip_prefix(&alone[..]) {
            Some(rest) if !text.is_empty() => Ok(rest.to_vec()),
            _ => self.encode_markup(text),
        }
    }

    /// The first of these tokens, if there is one.
    pub(crate) fn first_behind(&self, before: &str, text: &str) -> Result<Option<Token>, TextError> {
        Ok(self.behind(before, text)?.first().copied())
    }

    /// Tokens of words of a layout and of what is said between them, encoded as one text, as
    /// transformers does. Where something that is said would become a special token, alone or
    /// together with what stands beside it, the pieces are encoded one by one, so that it does not.
    pub(super) fn encode_pieces(&self, pieces: &[Piece<'_>]) -> Result<Vec<Token>, TextError> {
        let spells = |piece: &Piece<'_>| matches!(piece, Piece::Said { text, .. } if self.spellings.are_in(text));
        if pieces.iter().any(spells) {
            return self.one_by_one(pieces);
        }
        let text: String = pieces.iter().map(|piece| piece.text()).collect();
        let whole = caught(|| self.markup.encode(&text[..], false)).map_err(TextError)?;
        // Where the layout's own words stand, and how many special tokens they spell.
        let (mut words, mut expected, mut end) = (Vec::new(), 0, 0);
        for piece in pieces {
            let begin = end;
            end += piece.text().len();
            if let Piece::Markup(text) = piece {
                expected += self.encode_markup(text)?.iter().filter(|token| self.special.contains(token)).count();
                words.push(begin..end);
            }
        }
        let tokens = whole.get_ids().iter().zip(whole.get_offsets());
        let mut found = 0;
        for (_, place) in tokens.filter(|(token, _)| self.special.contains(*token)) {
            found += 1;
            if !stands_in(&words, without_blanks(&text, *place)) {
                return self.one_by_one(pieces);
            }
        }
        if found == expected { Ok(whole.get_ids().to_vec()) } else { self.one_by_one(pieces) }
    }

    fn one_by_one(&self, pieces: &[Piece<'_>]) -> Result<Vec<Token>, TextError> {
        let mut tokens: Vec<Token> = Vec::new();
        for piece in pieces {
            let continued = tokens.last().is_some_and(|last| !self.special.contains(last));
            let found = match piece {
                Piece::Markup(text) => self.part(&self.markup, text, continued)?,
                Piece::Said { text, .. } => self.said(text, continued)?,
            };
            tokens.extend(found);
        }
        Ok(tokens)
    }

    /// The text of tokens, special ones skipped, spaces cleaned up if the tokenizer's configuration says so.
    ///
    /// # Errors
    ///
    /// Tokens that the tokenizer cannot decode.
    pub fn decode_text(&self, tokens: &[Token]) -> Result<String, TextError> {
        let text = caught(|| decoded(&self.markup, tokens)).map_err(TextError)?;
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

    fn encode(&self, text: &str) -> Result<Option<Vec<Token>>, VocabularyError> {
        TextTokenizer::encode(self, text).map(Some).map_err(|error| VocabularyError { source: error.0 })
    }
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<Token>, TextError> {
    let encoding = caught(|| tokenizer.encode_fast(text, false)).map_err(TextError)?;
    Ok(encoding.get_ids().to_vec())
}

/// The text of tokens without special ones. Some decoders expect at least one token.
fn decoded(tokenizer: &Tokenizer, tokens: &[Token]) -> tokenizers::Result<String> {
    let added = tokenizer.get_added_vocabulary();
    let text = |id: &Token| added.simple_id_to_token(*id).or_else(|| tokenizer.get_model().id_to_token(*id));
    let texts: Vec<String> = tokens.iter().filter_map(text).filter(|text| !added.is_special_token(text)).collect();
    match tokenizer.get_decoder() {
        _ if texts.is_empty() => Ok(String::new()),
        Some(decoder) => decoder.decode(texts),
        None => Ok(texts.join(" ")),
    }
}

/// Whether a letter that stands alone is another token than behind the anchor.
fn has_prefix_space(tokenizer: &Tokenizer) -> Result<bool, TextError> {
    let (letter, behind) = (ids(tokenizer, "a")?, ids(tokenizer, &format!("{ANCHOR}a"))?);
    Ok(!behind.ends_with(&letter))
}

fn spellings(tokenizer: &Tokenizer, tokens: &BTreeSet<Token>) -> Spellings {
    let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
    let text = |id: &Token| added.get(id).map(|token| token.content.clone());
    Spellings::new(tokens.iter().filter_map(|id| text(id).or_else(|| tokenizer.id_to_token(*id))))
}

fn left_out_notice(path: &Path, first: &str, count: usize) -> String {
    format!("{}: {count} added tokens without an embedding are left out, the first of them {first:?}", path.display())
}

fn dropout_notice(path: &Path, share: f64) -> String {
    format!(
        "{}: its dropout of {share} leaves out merges by chance; it is switched off, so that equal texts have equal ids",
        path.display()
    )
}

/// A part of a text without the white space at its ends, which some special tokens take in.
fn without_blanks(text: &str, (from, to): (usize, usize)) -> Range<usize> {
    let Some(part) = text.get(from..to) else { return from..to };
    let from = from + part.len() - part.trim_start().len();
    from..from + part.trim().len()
}

/// Whether a place lies within one of several, which are in order.
fn stands_in(places: &[Range<usize>], place: Range<usize>) -> bool {
    let candidate = places.partition_point(|other| other.end < place.end);
    places.get(candidate).is_some_and(|other| other.start <= place.start)
}

/// Adds the tokens that the configuration describes, and its special ones that are words of the
/// model or have a `free` id: others have no embedding, and the model never sees them.
fn add(markup: &mut Tokenizer, parts: &TokenizerParts, mut free: Range<usize>) -> tokenizers::Result<()> {
    let mut known: BTreeSet<String> =
        markup.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
    known.extend(parts.added.iter().map(|token| token.content.clone()));
    let special = parts.special.iter().filter(|text| !known.contains(*text)).map(|text| AddedToken::from(text, true));
    let mut expected: BTreeMap<String, Token> = BTreeMap::new();
    let mut tokens = Vec::new();
    for token in parts.added.iter().cloned().chain(special).filter(|token| !token.content.is_empty()) {
        let known = expected.get(&token.content).copied().or_else(|| markup.token_to_id(&token.content));
        let Some(id) = known.or_else(|| u32::try_from(free.next()?).ok()) else { continue };
        expected.insert(token.content.clone(), id);
        tokens.push(token);
    }
    // All at once: each call builds a table of all added tokens.
    markup.add_tokens(tokens)?;
    match expected.iter().find(|(text, id)| markup.token_to_id(text) != Some(**id)) {
        Some((text, id)) => Err(format!("the added token {text:?} does not get the free id {id}").into()),
        None => check_added(markup),
    }
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
