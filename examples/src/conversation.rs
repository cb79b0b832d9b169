//! A conversation: what was said, and what the policy reads of it.

use anyhow::{Context, Result};
use saffron_mrm::text::{ChatTemplate, Message, TextLayout, TextTokenizer};

/// Turns so far, in the words of the policy's own chat template.
#[derive(Debug)]
pub struct Conversation {
    template: ChatTemplate,
    messages: Vec<Message>,
}

impl Conversation {
    /// Nothing said yet, but for what the system is told.
    #[must_use]
    pub fn new(template: ChatTemplate, system: Option<&str>) -> Self {
        Self { template, messages: system.map(Message::system).into_iter().collect() }
    }

    /// What was said, what the system was told first.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Takes in a question and its answer.
    pub fn add(&mut self, question: &str, answer: &str) {
        self.messages.extend([Message::user(question), Message::assistant(answer)]);
    }

    /// Around the next question, for the policy.
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses.
    pub fn layout(&self, tokenizer: &TextTokenizer) -> Result<TextLayout> {
        TextLayout::of_template(&self.template, &self.messages, tokenizer).context("the policy's chat template")
    }
}
