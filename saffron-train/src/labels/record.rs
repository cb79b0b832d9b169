//! A reply with the reward of each of its prefixes, and what one is made of.

use std::sync::Arc;

use saffron_core::{ContextLayout, ModelError, Session, Token, Vocabulary};
use saffron_search::eval::data::Label;
use serde::{Deserialize, Serialize};

use super::LabelError;
use crate::error::TrainError;
use crate::objective::Sample;

/// A prompt and a reply to it, not labelled yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Unique in its corpus.
    pub id: String,
    /// Name of the data set.
    pub set: String,
    /// Topic or question, where the data set has such.
    pub group: Option<String>,
    /// What the reply is known to have done.
    pub label: Option<Label>,
    /// Token ids of what the user asked; never empty.
    pub prompt: Vec<Token>,
    /// What the user asked, in words: each model encodes it together with its own layout. A prompt
    /// without is put between the layout's ids.
    pub prompt_text: Option<String>,
    /// Token ids of the reply, without an end-of-sequence token.
    pub reply: Vec<Token>,
}

/// A reply and, token by token, the reward of the reply up to there.
///
/// In the paper's terms (§4.2) `rewards[j]` is R(s\[0:j+1)) for every prefix of the reply: what Eq. 5 is trained on. A reply of which no
/// token is left has none, and counts as skipped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRewards {
    /// Place among all replies of the corpus, shards regardless, from 0.
    pub index: usize,
    /// The reply's id, unique in its corpus.
    pub id: String,
    /// Name of the data set.
    pub set: String,
    /// Topic or question, where the data set has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What the reply is known to have done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Token ids of the prompt.
    pub prompt: Vec<Token>,
    /// The prompt in words, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_text: Option<String>,
    /// Token ids of the reply, as far as it is labelled.
    pub reply: Vec<Token>,
    /// `rewards[j]` is the reward of `reply[..=j]` as an answer to the prompt.
    pub rewards: Vec<f32>,
    /// Tokens of the reply that were left out, because prompt and reply together were too long.
    pub cut: usize,
}

impl TokenRewards {
    /// Whether no token of the reply was labelled: it had none, or the prompt left no room.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.reply.is_empty()
    }

    /// Refuses a record that nobody could be trained on.
    ///
    /// # Errors
    ///
    /// An empty prompt, another number of rewards than of reply tokens, a reward that is not finite, a token id that is not below
    /// `vocab_size`.
    pub fn check(&self, vocab_size: usize) -> Result<(), LabelError> {
        let id = || self.id.clone();
        self.check_tokens(vocab_size)?;
        if self.reply.len() != self.rewards.len() {
            return Err(LabelError::Lengths { id: id(), reply: self.reply.len(), rewards: self.rewards.len() });
        }
        match self.rewards.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((position, value)) => Err(LabelError::NotFinite { id: id(), position, value: *value }),
            None => Ok(()),
        }
    }

    /// Refuses an empty prompt and token ids that the vocabulary does not have.
    pub(super) fn check_tokens(&self, vocab_size: usize) -> Result<(), LabelError> {
        let id = || self.id.clone();
        if self.prompt.is_empty() {
            return Err(LabelError::EmptyPrompt { id: id() });
        }
        match self.prompt.iter().chain(&self.reply).find(|token| **token as usize >= vocab_size) {
            Some(token) => Err(LabelError::Token { id: id(), token: *token, size: vocab_size }),
            None => Ok(()),
        }
    }
}

impl TokenRewards {
    /// The prompt with nothing answered yet, for a reward model to read as it reads a search's.
    ///
    /// # Errors
    ///
    /// An empty prompt, or a token outside the vocabulary.
    pub(super) fn session(&self, vocabulary: Arc<dyn Vocabulary>) -> Result<Session, ModelError> {
        match &self.prompt_text {
            Some(text) => Session::of_text(vocabulary, &text[..], &self.prompt[..]),
            None => Session::new(vocabulary, &self.prompt[..]),
        }
    }

    /// The record as a sample for a model of a layout: its prompt as the model reads it in a search
    /// ([`ContextLayout::context`]), a reward for each token of its reply. What goes over
    /// `max_tokens` of context and reply is cut off; none where nothing of the reply is left.
    ///
    /// # Errors
    ///
    /// A prompt that cannot be encoded, another number of rewards than of reply tokens, a reward
    /// that is not finite.
    pub fn sample(&self, layout: &ContextLayout, max_tokens: usize) -> Result<Option<Sample>, TrainError> {
        let context = layout.context(&self.prompt, self.prompt_text.as_deref())?;
        let room = max_tokens.saturating_sub(context.len()).min(self.reply.len());
        if room == 0 {
            return Ok(None);
        }
        if self.rewards.len() != self.reply.len() {
            let (tokens, context) = (context.len() + self.reply.len(), context.len());
            return Err(TrainError::SampleLength { tokens, context, rewards: self.rewards.len() });
        }
        Sample::after(&context, &self.reply[..room], &self.rewards[..room]).map(Some)
    }
}
