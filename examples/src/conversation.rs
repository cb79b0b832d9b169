//! A conversation: what was said, and what the policy and the reward model read of it.

use anyhow::{Context, Result};
use saffron_core::PromptLayout;
use saffron_mrm::text::{ChatTemplate, Message, TextTokenizer};

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
    pub fn layout(&self, tokenizer: &TextTokenizer) -> Result<PromptLayout> {
        self.template.layout(tokenizer, &self.messages).context("the policy's chat template")
    }

    /// Around the next question, for a reward model that reads turns in a layout of its own: all turns that were said, in that layout, one after the
    /// other. It is told nothing of what the system was told.
    ///
    /// # Errors
    ///
    /// Text that the tokenizer cannot encode.
    pub fn before(&self, layout: &PromptLayout, tokenizer: &TextTokenizer) -> Result<PromptLayout> {
        let turns = self.messages.iter().filter(|message| message.role != "system");
        // The beginning of the sequence comes once.
        let begin = usize::from(tokenizer.bos().is_some_and(|bos| layout.prefix.first() == Some(&bos)));
        let mut prefix = layout.prefix[..begin].to_vec();
        for message in turns {
            let words = if message.role == "user" { &layout.prefix[begin..] } else { &layout.infix };
            prefix.extend_from_slice(words);
            prefix.extend(tokenizer.encode(&message.content)?);
        }
        prefix.extend_from_slice(&layout.prefix[begin..]);
        Ok(PromptLayout { prefix, infix: layout.infix.clone(), suffix: layout.suffix.clone() })
    }
}
