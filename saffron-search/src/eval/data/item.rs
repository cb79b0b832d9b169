//! What data files hold, whatever their format.

use serde::{Deserialize, Serialize};

/// What a text on the heap takes besides its bytes, about.
const TEXT: u64 = 32;

/// One prompt, with what a data set knows about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Unique in its data set and the same whenever the file is read: the file's own id, or the row's number from 0.
    pub id: String,
    /// What a user asks.
    pub prompt: String,
    /// The question itself, where the prompt is more than that: it stands in a jailbreak template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// A reply that belongs to the prompt, such as the harmful one that a prefilling attack starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// What that reply did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Topic, category or subset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Item {
    /// A prompt without anything else.
    #[must_use]
    pub fn new(id: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self { id: id.into(), prompt: prompt.into(), question: None, reply: None, label: None, group: None }
    }

    /// The item's own question, without any template around it.
    ///
    /// ```
    /// use saffron_search::eval::data::Item;
    /// let asked = Item::new("0", "How so?");
    /// assert_eq!(asked.question(), "How so?");
    /// let templated = Item { prompt: "You are Tea. How so?".into(), question: Some("How so?".into()), ..asked };
    /// assert_eq!(templated.question(), "How so?");
    /// ```
    #[must_use]
    pub fn question(&self) -> &str {
        self.question.as_deref().unwrap_or(&self.prompt)
    }

    /// Whether its group has one of these names, or lies within one (`topic / subtopic` within
    /// `topic`).
    pub(super) fn is_of_groups(&self, names: &[String]) -> bool {
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(" / ");
        let group = self.group.as_deref();
        group.is_some_and(|group| names.iter().any(|name| group.strip_prefix(name.as_str()).is_some_and(ends)))
    }

    /// Bytes of memory that it takes among others, about.
    pub(super) fn size(&self) -> u64 {
        let own =
            [Some(&self.id), Some(&self.prompt), self.question.as_ref(), self.reply.as_ref(), self.group.as_ref()];
        own.into_iter().flatten().map(|text| TEXT + text.len() as u64).sum::<u64>() + 2 * size_of::<Self>() as u64
    }

    /// The item with a reply; an empty one counts as none.
    #[must_use]
    pub fn with_reply(mut self, reply: impl Into<String>) -> Self {
        self.reply = Some(reply.into()).filter(|reply| !reply.trim().is_empty());
        self
    }
}

/// What a reply to a harmful prompt did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// It did what was asked.
    Complied,
    /// It declined.
    Refused,
}

/// Two replies to the same dialogue, one preferred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Unique in its data set, as [`Item::id`].
    pub id: String,
    /// The dialogue that both replies answer; never empty.
    pub dialogue: Vec<Turn>,
    /// The preferred (less harmful) reply.
    pub chosen: String,
    /// The other.
    pub rejected: String,
}

/// One turn of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Whose.
    pub speaker: Speaker,
    /// What was said, without white space around it.
    pub text: String,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// The user.
    Human,
    /// The model.
    Assistant,
}

impl Pair {
    /// Bytes of memory that it takes among others, about.
    pub(super) fn size(&self) -> u64 {
        let turns = self.dialogue.iter().map(|turn| 2 * size_of::<Turn>() as u64 + TEXT + turn.text.len() as u64);
        let own = [&self.id, &self.chosen, &self.rejected].map(|text| TEXT + text.len() as u64);
        turns.chain(own).sum::<u64>() + 2 * size_of::<Self>() as u64
    }

    /// The dialogue as one prompt: the bare words of a single human turn; of longer dialogues all turns, each after the first under
    /// `Human:` or `Assistant:`.
    ///
    /// ```
    /// use saffron_search::eval::data::{Pair, Speaker, Turn};
    /// let turn = |speaker, text: &str| Turn { speaker, text: text.into() };
    /// let dialogue = vec![turn(Speaker::Human, "Hi"), turn(Speaker::Assistant, "Hello"), turn(Speaker::Human, "How?")];
    /// let pair = Pair { id: "0".into(), dialogue, chosen: "No.".into(), rejected: "So.".into() };
    /// assert_eq!(pair.prompt(), "Hi\n\nAssistant: Hello\n\nHuman: How?");
    /// ```
    #[must_use]
    pub fn prompt(&self) -> String {
        let mut prompt = String::new();
        for (place, turn) in self.dialogue.iter().enumerate() {
            match (place, turn.speaker) {
                (0, _) => {}
                (_, Speaker::Human) => prompt.push_str("\n\nHuman: "),
                (_, Speaker::Assistant) => prompt.push_str("\n\nAssistant: "),
            }
            prompt.push_str(&turn.text);
        }
        prompt
    }
}
