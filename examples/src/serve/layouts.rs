//! How each model reads a conversation: in its own layout, whatever the sessions' prompts hold.

use std::error::Error;
use std::sync::Arc;

use saffron_core::{ContextLayout, LayoutOrigin, ModelError, PromptEncoder, PromptLayout, Token};
use saffron_mrm::text::{Message, TextLayout, TextTokenizer};
use saffron_search::serve::{ApiError, Prompt, Speaker, Turn};

/// Puts [`Prompt`]s into a model's words. Sessions carry them as text
/// ([`Prompt::session_text`]), so that one policy and one reward model serve many conversations.
#[derive(Clone, Debug)]
pub struct ConversationLayout {
    around: Around,
    /// The ids of sessions that are not made of text, and what stands behind a response.
    ids: PromptLayout,
    origin: LayoutOrigin,
    /// Whether it is the policy's: what it cannot say is refused.
    strict: bool,
    /// Whether the server has a system prompt of its own.
    system: bool,
}

#[derive(Clone, Debug)]
enum Around {
    /// Words or a template, and the layout of texts that are continued.
    Words { layout: Box<TextLayout>, text: Box<TextLayout> },
    /// Whatever encodes a single question, where another server has the template.
    Question(Arc<dyn PromptEncoder>),
}

impl ConversationLayout {
    /// The policy's layout, with or without a system prompt of the server's.
    ///
    /// # Errors
    ///
    /// A tokenizer that cannot put a text as it is.
    pub fn of_policy(layout: &TextLayout, tokenizer: &TextTokenizer, system: bool) -> anyhow::Result<Self> {
        let text = Box::new(TextLayout::named("plain", tokenizer)?);
        Ok(Self { strict: true, system, ..Self::of_reward_model(layout).with_text(text) })
    }

    /// The layout of a policy whose template another server has: it takes single questions.
    #[must_use]
    pub fn of_served(layout: &ContextLayout, encoder: Arc<dyn PromptEncoder>, system: bool) -> Self {
        let (ids, origin) = (layout.ids().clone(), layout.origin().clone());
        Self { around: Around::Question(encoder), ids, origin, strict: true, system }
    }

    /// A reward model's layout. A text that is continued stands where a question would.
    #[must_use]
    pub fn of_reward_model(layout: &TextLayout) -> Self {
        let (ids, origin) = (layout.ids().clone(), layout.origin().clone());
        let around = Around::Words { layout: Box::new(layout.clone()), text: Box::new(layout.clone()) };
        Self { around, ids, origin, strict: false, system: false }
    }

    fn with_text(mut self, plain: Box<TextLayout>) -> Self {
        if let Around::Words { text, .. } = &mut self.around {
            *text = plain;
        }
        self
    }

    /// The ids of everything before the response.
    ///
    /// # Errors
    ///
    /// What the model's template refuses or has no words for, text that cannot be encoded.
    pub fn encode(&self, prompt: &Prompt, prefill: Option<&str>) -> Result<Vec<Token>, ApiError> {
        let before = prompt.before();
        if self.strict {
            self.check(before)?;
        }
        let encoded = match (&self.around, prompt) {
            (Around::Words { text, .. }, Prompt::Text(words)) => text.encode_prompt(words, prefill),
            (Around::Words { layout, .. }, Prompt::Chat { question, .. }) if before.is_empty() => {
                layout.encode_prompt(question, prefill)
            }
            (Around::Words { layout, .. }, Prompt::Chat { question, .. }) => {
                let messages: Vec<Message> = before.iter().map(message).collect();
                match layout.after(&messages) {
                    Ok(layout) => layout.encode_prompt(question, prefill),
                    Err(error) => Err(ModelError::other("putting a conversation into a layout", error)),
                }
            }
            (Around::Question(encoder), Prompt::Chat { question, .. }) if before.is_empty() => {
                return encoder.encode_prompt(question, prefill).map_err(|_| {
                    ApiError::server(502, "model_failed", "the policy's server could not encode the prompt")
                });
            }
            (Around::Question(_), _) => {
                let message = "this server's policy is served without its tokenizer (--tokenizer): it takes one user \
                               message, and no text to continue";
                return Err(ApiError::invalid("unsupported_messages", message));
            }
        };
        encoded.map_err(|error| match error {
            ModelError::EmptyPrompt => ApiError::invalid("empty_prompt", "the prompt has no text"),
            _ => ApiError::invalid("refused_by_template", "the policy's chat template does not take these messages"),
        })
    }

    /// Refuses what the policy would not be told.
    fn check(&self, before: &[Turn]) -> Result<(), ApiError> {
        if before.iter().all(|turn| turn.speaker != Speaker::System) {
            return Ok(());
        }
        let refused = |message| Err(ApiError::invalid("unsupported_role", message).of("messages"));
        match self.origin {
            _ if self.system => refused("this server has a system prompt of its own: leave system messages out"),
            LayoutOrigin::Template => Ok(()),
            _ => refused("the policy has no chat template, and no words for a system message"),
        }
    }
}

impl PromptEncoder for ConversationLayout {
    fn encode_prompt(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, ModelError> {
        let other = |error: Box<dyn Error + Send + Sync>| ModelError::other("encoding a request's prompt", error);
        let read = Prompt::from_session_text(prompt).ok_or_else(|| other("it is no request's".into()))?;
        self.encode(&read, prefill).map_err(|error| other(error.into()))
    }
}

impl From<ConversationLayout> for ContextLayout {
    fn from(layout: ConversationLayout) -> Self {
        let (ids, origin) = (layout.ids.clone(), layout.origin.clone());
        Self::of_text(ids, Arc::new(layout), origin)
    }
}

fn message(turn: &Turn) -> Message {
    Message::new(turn.speaker.name(), turn.text.as_str())
}
