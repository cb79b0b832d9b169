//! A conversation as what stands around the prompt that is to be answered.

use saffron_core::PromptLayout;

use super::template::Piece;
use super::{ChatTemplate, Message, TemplateError};
use crate::text::TextTokenizer;

impl ChatTemplate {
    /// What the template puts before and behind the user's next turn, with everything that was said `before` it: a layout for sessions whose
    /// prompt is that turn. Special tokens are those of the template alone; what was said stays text, whatever it spells.
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses, or rewrites; a template that does not put the last turn behind all others.
    pub fn layout(&self, tokenizer: &TextTokenizer, before: &[Message]) -> Result<PromptLayout, TemplateError> {
        let messages = [before, &[Message::user("0")]].concat();
        let mut marked = String::new();
        let pieces = self.pieces(&messages, &mut marked)?;
        let is_last = |piece: &Piece<'_>| matches!(piece, Piece::Said { message, .. } if *message == before.len());
        let said = |piece: &Piece<'_>| matches!(piece, Piece::Said { .. });
        let found = pieces.iter().filter(|piece| is_last(piece)).count();
        match pieces.iter().position(is_last) {
            Some(place) if found == 1 && !pieces[place + 1..].iter().any(said) => Ok(PromptLayout {
                prefix: tokenizer.encode_pieces(&pieces[..place])?,
                infix: tokenizer.encode_pieces(&pieces[place + 1..])?,
                suffix: Vec::new(),
            }),
            _ => Err(TemplateError::NotLast { found }),
        }
    }
}
