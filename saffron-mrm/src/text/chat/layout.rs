//! A conversation in tokens, and as what stands around the prompt that is to be answered.

use saffron_core::{PromptLayout, Token};

use super::{ChatTemplate, End, Message, Piece, TemplateError};
use crate::text::TextTokenizer;

/// Stands for the prompt: a template that does more with it than put it somewhere is found out.
const PROMPT: &str = "A prompt";

impl ChatTemplate {
    /// A conversation in tokens, up to where the next reply begins: transformers'
    /// `apply_chat_template(tokenize=True)`, wherever what is said spells no special token. What
    /// does stays text.
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses, or on which its own words depend; text that the
    /// tokenizer cannot encode.
    pub fn tokens(&self, tokenizer: &TextTokenizer, messages: &[Message]) -> Result<Vec<Token>, TemplateError> {
        self.guarded_tokens(&tokenizer.guarding(self.source())?, messages)
    }

    /// [`tokens`](Self::tokens) of a tokenizer that guards what the template writes.
    pub(in crate::text) fn guarded_tokens(
        &self,
        tokenizer: &TextTokenizer,
        messages: &[Message],
    ) -> Result<Vec<Token>, TemplateError> {
        let mut text = String::new();
        Ok(tokenizer.encode_pieces(&self.pieces_until(messages, End::Reply, &mut text)?)?)
    }

    /// A conversation in tokens that ends behind what the last message says: transformers'
    /// `continue_final_message`. The message may be a reply that was begun.
    ///
    /// # Errors
    ///
    /// As [`tokens`](Self::tokens); a template that leaves something of the last message out.
    pub fn continued_tokens(
        &self,
        tokenizer: &TextTokenizer,
        messages: &[Message],
    ) -> Result<Vec<Token>, TemplateError> {
        self.guarded_continued_tokens(&tokenizer.guarding(self.source())?, messages)
    }

    /// [`continued_tokens`](Self::continued_tokens) of a tokenizer that guards what the template
    /// writes.
    pub(in crate::text) fn guarded_continued_tokens(
        &self,
        tokenizer: &TextTokenizer,
        messages: &[Message],
    ) -> Result<Vec<Token>, TemplateError> {
        let mut text = String::new();
        Ok(tokenizer.encode_pieces(&self.pieces_until(messages, End::Continued, &mut text)?)?)
    }

    /// What the template puts before and behind the user's next turn, with everything that was said `before` it: a layout for sessions whose
    /// prompt is that turn. Special tokens are those of the template alone; what was said stays text, whatever it spells.
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses; a template that does not put the last turn, as it
    /// is said, behind all others, or whose own words depend on what is said.
    pub fn layout(&self, tokenizer: &TextTokenizer, before: &[Message]) -> Result<PromptLayout, TemplateError> {
        let tokenizer = &tokenizer.guarding(self.source())?;
        let messages = [before, &[Message::user(PROMPT)]].concat();
        let mut text = String::new();
        let pieces = self.pieces(&messages, &mut text)?;
        let is_last = |piece: &Piece<'_>| matches!(piece, Piece::Said { message, .. } if *message == before.len());
        let said = |piece: &Piece<'_>| matches!(piece, Piece::Said { .. });
        let found = pieces.iter().filter(|piece| is_last(piece)).count();
        match pieces.iter().position(is_last) {
            Some(place) if pieces[place].text() != PROMPT => Err(TemplateError::Rewritten { message: before.len() }),
            Some(place) if found == 1 && !pieces[place + 1..].iter().any(said) => Ok(PromptLayout {
                prefix: tokenizer.encode_pieces(&pieces[..place])?,
                infix: tokenizer.encode_pieces(&pieces[place + 1..])?,
                suffix: Vec::new(),
            }),
            _ => Err(TemplateError::NotLast { found }),
        }
    }
}
