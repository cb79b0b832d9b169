//! What a guard learns from.

use std::sync::Arc;

use saffron_core::{ModelError, Session, Token, Vocabulary};

use crate::error::TrainError;

/// A reply to a prompt, as token ids of the guard's tokenizer, and where it is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardReply {
    prompt: Vec<Token>,
    prompt_text: Option<Arc<str>>,
    reply: Vec<Token>,
    cuts: Vec<usize>,
}

/// One thing to learn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardExample {
    /// A reply and whether it is safe, at each of its cuts.
    Labelled {
        /// The reply.
        reply: GuardReply,
        /// Whether it is safe.
        safe: bool,
    },
    /// Two replies, one safer than the other, at cuts that belong together one by one.
    Pair {
        /// The safer reply.
        better: GuardReply,
        /// The other.
        worse: GuardReply,
    },
}

impl GuardReply {
    /// A reply that is judged as a whole.
    ///
    /// # Errors
    ///
    /// A reply without tokens.
    pub fn new(prompt: Vec<Token>, reply: Vec<Token>) -> Result<Self, TrainError> {
        if reply.is_empty() {
            return Err(TrainError::EmptyReply);
        }
        Ok(Self { prompt, prompt_text: None, cuts: vec![reply.len()], reply })
    }

    /// The reply with its prompt in words, which a guard asked in words encodes together with its
    /// question. Without, the prompt's ids stand between the question's.
    #[must_use]
    pub fn with_prompt_text(self, text: impl Into<Arc<str>>) -> Self {
        Self { prompt_text: Some(text.into()), ..self }
    }

    /// The reply, judged after each of these numbers of tokens instead. The order is kept; the last is what a report calls the whole.
    ///
    /// # Errors
    ///
    /// No cuts, or one that is 0 or beyond the reply.
    pub fn with_cuts(self, cuts: Vec<usize>) -> Result<Self, TrainError> {
        let length = self.reply.len();
        match cuts.iter().find(|cut| **cut == 0 || **cut > length) {
            Some(cut) => Err(TrainError::Cut { cut: *cut, length }),
            None if cuts.is_empty() => Err(TrainError::Cut { cut: 0, length }),
            None => Ok(Self { cuts, ..self }),
        }
    }

    /// The reply at cuts that are known to be within it.
    pub(super) fn at(&self, cuts: Vec<usize>) -> Self {
        Self { cuts, ..self.clone() }
    }

    /// The prompt.
    #[must_use]
    pub fn prompt(&self) -> &[Token] {
        &self.prompt
    }

    /// The prompt in words, where it is known.
    pub(crate) fn prompt_text(&self) -> Option<&str> {
        self.prompt_text.as_deref()
    }

    /// The prompt with nothing answered yet, as a guard reads it in a search.
    ///
    /// # Errors
    ///
    /// An empty prompt, or a token outside the vocabulary.
    pub fn session(&self, vocabulary: Arc<dyn Vocabulary>) -> Result<Session, ModelError> {
        match &self.prompt_text {
            Some(text) => Session::of_text(vocabulary, text.clone(), &self.prompt[..]),
            None => Session::new(vocabulary, &self.prompt[..]),
        }
    }

    /// The reply.
    #[must_use]
    pub fn reply(&self) -> &[Token] {
        &self.reply
    }

    /// After how many of its tokens it is judged.
    #[must_use]
    pub fn cuts(&self) -> &[usize] {
        &self.cuts
    }
}

impl GuardExample {
    /// A pair.
    ///
    /// # Errors
    ///
    /// Another number of cuts on one side than on the other.
    pub fn pair(better: GuardReply, worse: GuardReply) -> Result<Self, TrainError> {
        let (left, right) = (better.cuts.len(), worse.cuts.len());
        if left == right { Ok(Self::Pair { better, worse }) } else { Err(TrainError::PairCuts { left, right }) }
    }

    /// The replies: one, or the better and the worse.
    #[must_use]
    pub fn replies(&self) -> Vec<&GuardReply> {
        match self {
            Self::Labelled { reply, .. } => vec![reply],
            Self::Pair { better, worse } => vec![better, worse],
        }
    }

    /// Tokens of prompts and replies.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.replies().iter().map(|reply| reply.prompt.len() + reply.reply.len()).sum()
    }
}
