//! A conversation: its turns so far, and what a policy reads of them.

use super::chat::{ChatTemplate, Message, TemplateError};
use super::text_layout::TextLayout;
use super::tokenizer::TextTokenizer;

/// The turns of a conversation so far, with the policy's own chat template.
///
/// Before each question the policy gets the [`layout`](Self::layout) around it; after it was
/// answered, both are added. A reward model with a layout of its own reads the same turns through
/// [`TextLayout::after`].
///
/// ```
/// use saffron_mrm::text::{ChatTemplate, Conversation};
/// let template = ChatTemplate::new("{% for turn in messages %}{{ turn.content }}{% endfor %}")?;
/// let mut conversation = Conversation::new(template, Some("Be kind."));
/// conversation.add("What is the capital of France?", "Paris.");
/// let roles: Vec<&str> = conversation.messages().iter().map(|message| message.role.as_str()).collect();
/// assert_eq!(roles, ["system", "user", "assistant"]);
/// # Ok::<(), saffron_mrm::text::TemplateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conversation {
    template: ChatTemplate,
    messages: Vec<Message>,
}

impl Conversation {
    /// A conversation that begins with the system prompt, if there is one.
    #[must_use]
    pub fn new(template: ChatTemplate, system: Option<&str>) -> Self {
        Self { template, messages: system.map(Message::system).into_iter().collect() }
    }

    /// The turns so far, the system prompt first.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Adds a question and its answer.
    pub fn add(&mut self, question: &str, answer: &str) {
        self.messages.extend([Message::user(question), Message::assistant(answer)]);
    }

    /// The policy's layout around the next question.
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses; text that the tokenizer cannot encode.
    pub fn layout(&self, tokenizer: &TextTokenizer) -> Result<TextLayout, TemplateError> {
        TextLayout::of_template(&self.template, &self.messages, tokenizer)
    }
}
