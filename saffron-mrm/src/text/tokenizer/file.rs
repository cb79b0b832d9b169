//! A `tokenizer.json`, checked before the `tokenizers` crate sees it.
//!
//! The crate trusts what it reads: some files make it panic, others take gigabytes for one letter
//! of a text. So each part is read and checked here first, and the crate gets what was checked.
//! Truncation, padding and the post-processor are not read: a prompt is neither cut nor padded, and
//! special tokens come from layouts alone.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::{AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::caught::caught;
use super::model::{ModelCheck, without_dropout};
use super::parts::{check_decoding, check_encoding};
use super::refusal::Refusal;
use crate::error::LoadError;

/// The longest text of an added token, in bytes.
const MAX_ADDED: usize = 1 << 10;

/// A file without its words.
#[derive(Deserialize)]
pub(super) struct TokenizerFile {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
    pub(super) model: ModelCheck,
}

/// An added token. The `tokenizers` crate gives it the id of the word that it is, or the next one.
#[derive(Deserialize)]
struct Added {
    #[serde(flatten)]
    token: AddedToken,
}

impl TokenizerFile {
    /// Reads and checks a file for a model with so many embeddings.
    pub(super) fn read(path: &Path, json: &[u8], vocab_size: usize) -> Result<Self, LoadError> {
        let failed = |error| LoadError::Tokenizer { path: path.to_path_buf(), source: Box::new(error) };
        let file: Self = serde_json::from_slice(json).map_err(failed)?;
        file.check(vocab_size).map_err(|refusal| refusal.at(path))?;
        Ok(file)
    }

    fn check(&self, vocab_size: usize) -> Result<(), Refusal> {
        if let Some(found) = self.version.as_ref().filter(|version| *version != "1.0") {
            return Err(Refusal::new("version", "1.0", format!("{found:.100?}")));
        }
        if let Some(found) = self.model.highest().filter(|id| *id >= vocab_size as u64) {
            let expected = format!("ids below the model's vocab_size = {vocab_size}");
            return Err(Refusal::new("vocabulary", expected, format!("ids up to {found}")));
        }
        self.model.check(vocab_size)?;
        if self.added_tokens.len() > vocab_size {
            return Err(Refusal::new("added_tokens", format!("at most {vocab_size}"), self.added_tokens.len()));
        }
        let longest = self.added_tokens.iter().map(|added| added.token.content.len()).max();
        if let Some(found) = longest.filter(|longest| *longest > MAX_ADDED) {
            return Err(Refusal::new("added_tokens", format!("texts of at most {MAX_ADDED} bytes"), found));
        }
        check_encoding(&self.normalizer, &self.pre_tokenizer)?;
        check_decoding(&self.decoder)
    }

    /// The tokenizer, with the words that stand in the file, and the texts of added tokens for
    /// which the model has no embedding: they are left out, as no text may become them.
    pub(super) fn build(
        self,
        path: &Path,
        json: &[u8],
        vocab_size: usize,
    ) -> Result<(Tokenizer, Vec<String>), LoadError> {
        #[derive(Deserialize)]
        struct Words {
            model: ModelWrapper,
        }
        let failed = |source| LoadError::Tokenizer { path: path.to_path_buf(), source };
        let read = || -> tokenizers::Result<(Tokenizer, Vec<String>)> {
            let Words { mut model } = serde_json::from_slice(json)?;
            if let ModelWrapper::BPE(bpe) = &mut model {
                without_dropout(bpe);
            }
            let mut tokenizer = Tokenizer::new(model);
            tokenizer.with_normalizer(part::<NormalizerWrapper>(self.normalizer)?)?;
            tokenizer.with_pre_tokenizer(part::<PreTokenizerWrapper>(self.pre_tokenizer)?);
            tokenizer.with_decoder(part::<DecoderWrapper>(self.decoder)?);
            // Those that are no words of the model get the ids behind its words, in order.
            let free = vocab_size.saturating_sub(tokenizer.get_vocab_size(false));
            let (mut new, mut left_out) = (0, Vec::new());
            let has_embedding = |token: &AddedToken| {
                let is_new = tokenizer.token_to_id(&token.content).is_none();
                new += usize::from(is_new);
                let fits = !is_new || new <= free;
                left_out.extend((!fits).then(|| token.content.clone()));
                fits
            };
            let added = self.added_tokens.into_iter().map(|added| added.token);
            let added: Vec<AddedToken> = added.filter(has_embedding).collect();
            tokenizer.add_tokens(added)?;
            check_added(&tokenizer)?;
            Ok((tokenizer, left_out))
        };
        caught(read).map_err(failed)
    }
}

/// A part that need not be there.
fn part<T: DeserializeOwned>(part: Value) -> tokenizers::Result<Option<T>> {
    Ok(if part.is_null() { None } else { Some(serde_json::from_value(part)?) })
}

/// Refuses added tokens that the normalizer makes nothing of: they would be found everywhere.
pub(super) fn check_added(tokenizer: &Tokenizer) -> tokenizers::Result<()> {
    let added = tokenizer.get_added_vocabulary();
    let empty = |id: &u32| added.simple_id_to_token(*id).is_some_and(|text| text.is_empty());
    match added.get_added_tokens_decoder().iter().find(|(id, _)| empty(id)) {
        Some((_, token)) => Err(format!("the normalizer makes nothing of the added token {:?}", token.content).into()),
        None => Ok(()),
    }
}
