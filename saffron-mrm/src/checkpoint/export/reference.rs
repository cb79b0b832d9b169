//! The reference token: one whose row of the unembedding is zero in the served model, so that its
//! logit is 0 and the log-probabilities of others less its own are their logits.

use std::fmt;

use saffron_core::{RewardHead, Token};

use crate::checkpoint::source::Checkpoint;
use crate::error::LoadError;
use crate::family::is_always_tied;
use crate::text::{LAYOUT_NAMES, TextLayout, TextTokenizer};

const FIELD: &str = "the reference token";

/// A reference token, and why it may be one. Shown as a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// Its id.
    pub token: Token,
    /// What speaks for it.
    pub reason: ReferenceReason,
}

/// Why a token may be a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceReason {
    /// The tokenizer has no token for its row.
    Padding,
    /// A control token of this text that no template and no layout writes, and that the reward
    /// model has not seen.
    Control(String),
    /// It was named, and nothing speaks against it.
    Named(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token;
        match &self.reason {
            ReferenceReason::Padding => write!(f, "{token}: the tokenizer has no token for this row"),
            ReferenceReason::Control(text) => write!(
                f,
                "{token}: {text:?} is a control token that no template or layout writes and the model has not seen"
            ),
            ReferenceReason::Named(text) => write!(f, "{token}: {text:?}, as named; the model has not seen it"),
        }
    }
}

/// What is known of a model's tokens.
pub(super) struct Tokens<'a> {
    checkpoint: &'a Checkpoint,
    tokenizer: &'a TextTokenizer,
    head: &'a RewardHead,
    /// Beginning and ends of sequences.
    marks: Vec<Token>,
    templates: Vec<String>,
    /// What layouts write.
    written: Vec<Token>,
    shares_rows: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(
        checkpoint: &'a Checkpoint,
        tokenizer: &'a TextTokenizer,
        head: &'a RewardHead,
    ) -> Result<Self, LoadError> {
        let mut marks = checkpoint.end_tokens(tokenizer)?;
        marks.extend([tokenizer.bos(), tokenizer.eos(), tokenizer.unknown()].into_iter().flatten());
        let layouts = LAYOUT_NAMES.iter().filter_map(|name| TextLayout::named(name, tokenizer).ok());
        let written = layouts.flat_map(|layout| {
            let ids = layout.ids();
            [&ids.prefix[..], &ids.infix, &ids.suffix].concat()
        });
        let written = written.collect();
        let shares_rows = is_always_tied(checkpoint.config()?.choices.family);
        let templates = checkpoint.template_sources()?;
        Ok(Self { checkpoint, tokenizer, head, marks, templates, written, shares_rows })
    }

    /// A token that may be the reference: the last row that the tokenizer has no token for, else the
    /// last control token that nothing uses.
    pub(super) fn choose(&self) -> Result<Reference, LoadError> {
        let size = self.head.bias.len();
        if self.tokenizer.known() < size {
            let token = Token::try_from(size - 1).unwrap_or(Token::MAX);
            return Ok(Reference { token, reason: ReferenceReason::Padding });
        }
        let ids = (0..size).rev().filter_map(|id| Token::try_from(id).ok());
        let mut free = ids.filter(|id| self.tokenizer.is_control(*id) && self.use_of(*id).is_none());
        match free.next() {
            Some(token) => Ok(Reference { token, reason: ReferenceReason::Control(self.text(token)) }),
            None => {
                let expected = "a row without a token, or a control token that nothing uses and that is unseen; \
                                another unseen token must be named by its id";
                Err(LoadError::field(self.checkpoint.path(), FIELD, expected, "none"))
            }
        }
    }

    /// A token that was named, unless it is in use.
    pub(super) fn named(&self, token: Token) -> Result<Reference, LoadError> {
        let refuse =
            |expected: String, found: String| Err(LoadError::field(self.checkpoint.path(), FIELD, expected, found));
        let size = self.head.bias.len();
        if token as usize >= size {
            return refuse(format!("an id below {size}"), token.to_string());
        }
        if token as usize >= self.tokenizer.known() {
            return Ok(Reference { token, reason: ReferenceReason::Padding });
        }
        let text = self.text(token);
        if let Some(used) = self.use_of(token) {
            return refuse(String::from("a token that is not in use"), format!("{token}, {text:?}, {used}"));
        }
        if self.shares_rows && !self.tokenizer.is_control(token) {
            let expected = "a control token, as its row of the embedding becomes zero, too";
            return refuse(expected.to_owned(), format!("{token}, {text:?}, an ordinary word"));
        }
        Ok(Reference { token, reason: ReferenceReason::Named(text) })
    }

    /// What a token is used for, if for anything.
    fn use_of(&self, token: Token) -> Option<&'static str> {
        let text = self.text(token);
        match () {
            () if self.marks.contains(&token) => Some("which begins or ends sequences, or stands for unknown words"),
            () if self.written.contains(&token) => Some("which a layout writes"),
            () if self.templates.iter().any(|template| !text.is_empty() && template.contains(&text)) => {
                Some("which a chat template writes")
            }
            () if self.head.is_seen(token) => Some("which the reward model has seen"),
            () => None,
        }
    }

    fn text(&self, token: Token) -> String {
        self.tokenizer.token_text(token).unwrap_or_default()
    }
}
