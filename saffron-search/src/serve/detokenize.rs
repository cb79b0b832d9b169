//! Tokens as text while they come.

use std::sync::Arc;

use saffron_core::{Token, Vocabulary};

use super::error::ApiError;

/// Turns tokens into text as they come. A text that has come out stays as it is: the bytes of a
/// character are held back until the character is whole, by comparing the texts of growing prefixes.
#[derive(Debug)]
pub(super) struct Detokenizer {
    vocabulary: Arc<dyn Vocabulary>,
    tokens: Vec<Token>,
    text: String,
}

impl Detokenizer {
    pub(super) fn new(vocabulary: Arc<dyn Vocabulary>) -> Self {
        Self { vocabulary, tokens: Vec::new(), text: String::new() }
    }

    /// The text that the next token makes certain, and whether that is all of the text so far. Where
    /// a token changes earlier text, nothing is certain.
    pub(super) fn push(&mut self, token: Token) -> Result<(String, bool), ApiError> {
        self.tokens.push(token);
        let decoded = self.decoded()?;
        let whole = decoded.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let new = whole.strip_prefix(self.text.as_str()).unwrap_or_default().to_owned();
        self.text.push_str(&new);
        Ok((new, self.text == decoded))
    }

    /// The rest, when no more tokens come.
    pub(super) fn finish(&mut self) -> Result<String, ApiError> {
        let decoded = self.decoded()?;
        let Some(rest) = decoded.strip_prefix(self.text.as_str()) else {
            let message = "the tokenizer gave the whole answer another text than its beginning";
            return Err(ApiError::server(500, "text_changed", message));
        };
        let rest = rest.to_owned();
        self.text = decoded;
        Ok(rest)
    }

    fn decoded(&self) -> Result<String, ApiError> {
        let failed = |_| ApiError::server(500, "decoding_failed", "the answer's tokens cannot be decoded");
        self.vocabulary.decode(&self.tokens).map_err(failed)
    }
}
