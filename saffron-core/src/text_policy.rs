//! Policies that speak in words.

use crate::error::ModelError;
use crate::outcome::Hypothesis;
use crate::policy::Policy;
use crate::session::Session;
use crate::token::Token;

/// A policy whose prompts and responses are text. Local and served policies say how they encode;
/// everything else follows.
pub trait TextPolicy: Policy {
    /// The ids of a text. It is taken as text: special tokens that it spells stay letters.
    ///
    /// # Errors
    ///
    /// Text that cannot be encoded.
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError>;

    /// A session for a prompt.
    ///
    /// # Errors
    ///
    /// An empty prompt, or text that cannot be encoded.
    fn session(&self, prompt: &str) -> Result<Session, ModelError> {
        Session::of_text(self.vocabulary(), prompt, self.encode(prompt)?)
    }

    /// A session whose reply is forced to begin with the first `tokens` tokens of a text.
    ///
    /// The tokens are counted in the text alone. What is left after the cut is text again, and a
    /// policy encodes it together with what stands before it. Where the cut falls inside a
    /// character, or the tokens have no text that the prefill begins with, the tokens themselves
    /// are put behind the prompt's.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session); tokens that cannot be decoded.
    fn attacked_session(&self, prompt: &str, prefill: &str, tokens: usize) -> Result<Session, ModelError> {
        let session = self.session(prompt)?;
        let mut ids = self.encode(prefill)?;
        if ids.len() <= tokens {
            return session.with_prefill_text(prefill, ids);
        }
        ids.truncate(tokens);
        if ids.is_empty() {
            return Ok(session);
        }
        let decoded = self.vocabulary().decode(&ids);
        let decoded = decoded.map_err(|error| ModelError::other("decoding the beginning of a prefill", error))?;
        match beginning(prefill, &decoded) {
            Some(text) => session.with_prefill_text(text, self.encode(text)?),
            None => session.with_prefill(ids),
        }
    }

    /// The text of a response, without the token that ends it.
    ///
    /// # Errors
    ///
    /// Tokens that cannot be decoded.
    fn text(&self, hypothesis: &Hypothesis) -> Result<String, ModelError> {
        let tokens = match hypothesis.tokens.split_last() {
            Some((last, before)) if self.end_tokens().contains(last) => before,
            _ => &hypothesis.tokens,
        };
        self.vocabulary().decode(tokens).map_err(|error| ModelError::other("decoding a response", error))
    }
}

/// The beginning of a text that decoded ids stand for. Tokenizers that put a space before a text
/// may lose one that was there.
fn beginning<'a>(text: &'a str, decoded: &str) -> Option<&'a str> {
    let blank = text.len() - text.trim_start().len();
    let word = decoded.trim_start();
    if !decoded.is_empty() && text.starts_with(decoded) {
        text.get(..decoded.len())
    } else if !word.is_empty() && text[blank..].starts_with(word) {
        text.get(..blank + word.len())
    } else {
        None
    }
}

macro_rules! forward_text_policy {
    ($($pointer:ty),*) => {$(
        impl<P: TextPolicy + ?Sized> TextPolicy for $pointer {
            fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
                (**self).encode(text)
            }

            fn session(&self, prompt: &str) -> Result<Session, ModelError> {
                (**self).session(prompt)
            }

            fn attacked_session(&self, prompt: &str, prefill: &str, tokens: usize) -> Result<Session, ModelError> {
                (**self).attacked_session(prompt, prefill, tokens)
            }

            fn text(&self, hypothesis: &Hypothesis) -> Result<String, ModelError> {
                (**self).text(hypothesis)
            }
        }
    )*};
}

forward_text_policy!(&mut P, Box<P>);
