//! What is to be answered: a conversation, or a text to continue.

use serde::{Deserialize, Serialize};

/// Who has said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// Whoever has set the model up: `system` and `developer`.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
}

impl Speaker {
    /// The role's name in chat templates.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Who says it.
    pub speaker: Speaker,
    /// What is said.
    pub text: String,
}

/// What is to be answered.
///
/// A search's session has one text as its prompt. A whole conversation travels there as JSON, which
/// the server's layouts read again: each model puts the turns in its own words.
///
/// ```
/// use saffron_search::serve::{Prompt, Speaker, Turn};
/// let turn = |speaker, text: &str| Turn { speaker, text: text.to_owned() };
/// let before = vec![turn(Speaker::User, "Hi."), turn(Speaker::Assistant, "Hello!")];
/// let prompt = Prompt::Chat { before, question: String::from("How are you?") };
/// assert_eq!(Prompt::from_session_text(&prompt.session_text()), Some(prompt));
/// assert_eq!(Prompt::from_session_text("How are you?"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Prompt {
    /// A conversation.
    Chat {
        /// What was said before the question.
        before: Vec<Turn>,
        /// The user's last message.
        question: String,
    },
    /// A text to continue, in nobody's template.
    Text(String),
}

impl Prompt {
    /// The text of a session that has it as its prompt.
    #[must_use]
    pub fn session_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The prompt of a session that was made of [`session_text`](Self::session_text).
    #[must_use]
    pub fn from_session_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The user's last message, or the whole text.
    #[must_use]
    pub fn question(&self) -> &str {
        match self {
            Self::Chat { question, .. } => question,
            Self::Text(text) => text,
        }
    }

    /// What was said before the question.
    #[must_use]
    pub fn before(&self) -> &[Turn] {
        match self {
            Self::Chat { before, .. } => before,
            Self::Text(_) => &[],
        }
    }

    /// Question and what was said before it as one text, for a reward model that has words for one
    /// turn only. What the system was told is left out. The marks are those of Llama Guard's
    /// conversations.
    #[must_use]
    pub fn transcript(&self) -> String {
        let mut text = String::new();
        let said = self.before().iter().filter(|turn| turn.speaker != Speaker::System);
        for Turn { speaker, text: words } in said {
            let next = if *speaker == Speaker::User { "\n\nAgent: " } else { "\n\nUser: " };
            text.push_str(words);
            text.push_str(next);
        }
        text + self.question()
    }
}
