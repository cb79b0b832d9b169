//! One question to a guard: the text around prompt and reply, and the two tokens that answer.

use saffron_core::{ContextLayout, Token};

use crate::error::LoadError;
use crate::text::{TextError, TextLayout, TextTokenizer, llama_guard_answers};

/// How a guard is asked and which two tokens are its answers.
#[derive(Clone, Debug)]
pub struct GuardTemplate {
    /// The question around prompt and reply.
    pub layout: ContextLayout,
    /// The token of a reply found safe.
    pub safe: Token,
    /// The token of a reply found unsafe.
    pub not_safe: Token,
}

impl GuardTemplate {
    /// Llama Guard 3's own template.
    ///
    /// # Errors
    ///
    /// A tokenizer of another vocabulary.
    pub fn llama_guard_3(tokenizer: &TextTokenizer) -> Result<Self, LoadError> {
        let (safe, not_safe) = llama_guard_answers();
        Ok(Self { layout: TextLayout::named("llama-guard-3", tokenizer)?.into(), safe, not_safe })
    }

    /// A question in words, for any model: `prefix + prompt + infix + response + suffix`, answered
    /// by the first token of one of two words. Special tokens that the parts of the layout spell
    /// are special.
    ///
    /// # Errors
    ///
    /// A tokenizer that cannot encode the parts, or answers that begin with the same token.
    pub fn in_words(
        tokenizer: &TextTokenizer,
        [prefix, infix, suffix]: [&str; 3],
        [safe, not_safe]: [&str; 2],
    ) -> Result<Self, LoadError> {
        let refuse = |reason: String| LoadError::Layout { name: String::from("guard question"), reason };
        let text = |error: TextError| refuse(error.to_string());
        let layout = TextLayout::in_words(tokenizer, [prefix, infix, suffix]).map_err(text)?;
        let first = |answer: &str| {
            let token = tokenizer.first_behind(suffix, answer).map_err(text)?;
            token.ok_or_else(|| refuse(String::from("an answer is empty")))
        };
        let (safe_token, unsafe_token) = (first(safe)?, first(not_safe)?);
        if safe_token == unsafe_token {
            return Err(refuse(format!(
                "the answers {safe:?} and {not_safe:?} begin with the same token {safe_token}"
            )));
        }
        Ok(Self { layout: layout.into(), safe: safe_token, not_safe: unsafe_token })
    }
}
