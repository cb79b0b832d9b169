//! What a token id means, as far as a search has to know it. The tokenizers themselves live with the models.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::token::Token;

/// Fingerprint of a vocabulary: two vocabularies with equal fingerprints give every ordinary token the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VocabularyId(pub u64);

impl fmt::Display for VocabularyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Turning ids into text, or text into ids, failed; the cause is the tokenizer's own.
#[derive(Debug, thiserror::Error)]
#[error("between token ids and text")]
pub struct VocabularyError {
    /// What the tokenizer said.
    pub source: Box<dyn Error + Send + Sync>,
}

/// The vocabulary that a session's token ids belong to. It travels with the session, so that a model of another vocabulary
/// can refuse the ids or convert them through text, and never mistakes them for its own.
pub trait Vocabulary: fmt::Debug + Send + Sync {
    /// The fingerprint.
    fn id(&self) -> VocabularyId;

    /// Number of token ids, special and added ones included.
    fn size(&self) -> usize;

    /// The text of the ids, special tokens skipped.
    ///
    /// # Errors
    ///
    /// When the ids have no text, or the vocabulary knows no text at all.
    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError>;

    /// The ids of a text, or `None` where the vocabulary turns ids into text only. No special token
    /// comes of it, whatever it spells.
    ///
    /// # Errors
    ///
    /// Text that cannot be encoded.
    fn encode(&self, text: &str) -> Result<Option<Vec<Token>>, VocabularyError> {
        let _ = text;
        Ok(None)
    }
}

/// A vocabulary without text: ids only. For tests and for policies that are no language models.
///
/// ```
/// use saffron_core::{PlainVocabulary, Vocabulary};
/// assert_eq!(PlainVocabulary::new(4).size(), 4);
/// assert_eq!(PlainVocabulary::new(4).decode(&[1, 3]).unwrap(), "1 3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainVocabulary {
    size: usize,
}

impl PlainVocabulary {
    /// A vocabulary of `size` ids.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size }
    }

    /// The same, shared.
    #[must_use]
    pub fn shared(size: usize) -> Arc<dyn Vocabulary> {
        Arc::new(Self::new(size))
    }
}

impl Vocabulary for PlainVocabulary {
    fn id(&self) -> VocabularyId {
        VocabularyId(self.size as u64)
    }

    fn size(&self) -> usize {
        self.size
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        let words: Vec<String> = tokens.iter().map(ToString::to_string).collect();
        Ok(words.join(" "))
    }
}
