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
    /// What the attack is after, where the file's prompt is an attack already. Where it differs from
    /// the prompt, it is the item's own question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// How a reply that does what is asked would begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The harm category, as records keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// A text that the question is about, where the prompt has one beside the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The id of the template that the question stands in, of those of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl Item {
    /// A prompt without anything else.
    #[must_use]
    pub fn new(id: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            prompt: prompt.into(),
            question: None,
            reply: None,
            label: None,
            group: None,
            goal: None,
            target: None,
            category: None,
            context: None,
            template: None,
        }
    }

    /// The item's own question, without any template around it: `question`, else the goal, else the
    /// prompt.
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
        self.question.as_deref().or(self.goal.as_deref()).unwrap_or(&self.prompt)
    }

    /// Whether the prompt is more than the item's own question.
    #[must_use]
    pub fn is_attacked(&self) -> bool {
        self.question.is_some() || self.goal.as_ref().is_some_and(|goal| *goal != self.prompt)
    }

    /// Whether its group, or else its category, has one of these names, or lies within one (`topic / subtopic` within
    /// `topic`).
    pub(super) fn is_of_groups(&self, names: &[String]) -> bool {
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(" / ");
        let group = self.group.as_deref().or(self.category.as_deref());
        group.is_some_and(|group| names.iter().any(|name| group.strip_prefix(name.as_str()).is_some_and(ends)))
    }

    /// Bytes of memory that it takes among others, about.
    pub(super) fn size(&self) -> u64 {
        let own = [&self.question, &self.reply, &self.group, &self.goal, &self.target, &self.category, &self.context];
        let own = own.into_iter().flatten().chain([&self.id, &self.prompt]);
        own.map(|text| TEXT + text.len() as u64).sum::<u64>() + 2 * size_of::<Self>() as u64
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
        joined(&self.dialogue)
    }
}

/// Turns as one prompt, see [`Pair::prompt`].
pub(super) fn joined(dialogue: &[Turn]) -> String {
    let mut prompt = String::new();
    for (place, turn) in dialogue.iter().enumerate() {
        match (place, turn.speaker) {
            (0, _) => {}
            (_, Speaker::Human) => prompt.push_str("\n\nHuman: "),
            (_, Speaker::Assistant) => prompt.push_str("\n\nAssistant: "),
        }
        prompt.push_str(&turn.text);
    }
    prompt
}
