//! What an attacker does to a prompt: force the reply's beginning, append a suffix, wrap it in a jailbreak template.

mod error;
mod fill;
mod template;

use serde::{Deserialize, Serialize};

use super::data::Item;
use crate::tagged::by_kind;
pub use error::AttackError;
use fill::{Filled, Words, fill};
pub use template::{Template, read_templates, read_templates_in};

/// What an attacker does to a prompt. Text only: cutting the prefill after its tokens is left to whoever has the tokenizer.
///
/// Texts of prefills, suffixes and templates may have places, each a name in braces:
///
/// | place | what stands there |
/// |---|---|
/// | `{prompt}`, `{question}`, `[INSERT PROMPT HERE]` | the item's own question, whatever was done to the prompt before |
/// | `{request}` | the question's words within a sentence, as in "how are locks picked" |
/// | `{attacked}` | the prompt as the attacks before have left it |
///
/// A request begins with a small letter (unless its first word is `I` or in capitals) and has no
/// question mark or full stop at the end. `{{ prompt }}` is the same as `{prompt}`. Any other name
/// in braces is an error; `\{name}` is the text `{name}`. Braces around anything else than one name
/// of letters, digits and `_` are text.
///
/// ```
/// use saffron_search::eval::attack::{Attack, PrefillText};
/// use saffron_search::eval::data::Item;
/// let prefill = Attack::Prefill { tokens: 10, text: PrefillText::Pattern("Sure, here is {request}:".into()) };
/// let attack = Attack::Then { attacks: vec![Attack::Suffix { text: "!!".into() }, prefill] };
/// let attacked = attack.apply(&Item::new("0", "How are locks picked?"))?;
/// assert_eq!(attacked.prompt, "How are locks picked? !!");
/// assert_eq!(attacked.prefill, "Sure, here is how are locks picked:");
/// assert_eq!(attacked.prefill_tokens, 10);
/// # Ok::<(), saffron_search::eval::attack::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Attack {
    /// Nothing: the prompt as it is.
    None {},
    /// The reply is forced to begin with a text.
    Prefill {
        /// How many tokens of the text are forced; 0 forces none.
        tokens: usize,
        /// The text.
        #[serde(default)]
        text: PrefillText,
    },
    /// A text is put behind the prompt, as optimised suffixes are; with a space between, unless it begins with white space.
    Suffix {
        /// The text.
        text: String,
    },
    /// The prompt is put into a text, which must have a place for it.
    Template {
        /// The text.
        text: String,
    },
    /// One attack after another, each upon what the one before has made of the prompt. One of them at most may be a prefill.
    Then {
        /// The attacks in order.
        attacks: Vec<Attack>,
    },
}

by_kind!(Attack);

impl Default for Attack {
    fn default() -> Self {
        Self::None {}
    }
}

/// What a reply is forced to begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrefillText {
    /// The item's own reply.
    #[default]
    Reply,
    /// The item's own target: how a reply that does what is asked would begin.
    Target,
    /// A text, perhaps with places as in [`Attack`].
    Pattern(String),
}

/// A prompt under attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attacked {
    /// What the policy is asked.
    pub prompt: String,
    /// The text that its reply is forced to begin with; may be longer than is forced.
    pub prefill: String,
    /// How many tokens of it are forced.
    pub prefill_tokens: usize,
}

impl Attack {
    /// The item's prompt under this attack.
    ///
    /// # Errors
    ///
    /// A prefill of the item's own reply where it has none, a template without a place for the
    /// prompt or one that drops what was done to the prompt before, an unknown place, two prefills.
    pub fn apply(&self, item: &Item) -> Result<Attacked, AttackError> {
        let untouched = Attacked { prompt: item.prompt.clone(), prefill: String::new(), prefill_tokens: 0 };
        let mut done = Done { changed: item.is_attacked(), prefilled: false };
        self.upon(untouched, item, &mut done)
    }

    /// Whether the attack can be made upon items, but for prefills of replies and targets that they may
    /// lack. `templated`: whether their prompts are more than their own questions, as in the templates
    /// of a file.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub fn check(&self, templated: bool) -> Result<(), AttackError> {
        let item = Item { target: Some(String::from("?")), ..Item::new("", "?").with_reply("?") };
        let question = templated.then(|| item.prompt.clone());
        self.apply(&Item { question, ..item }).map(drop)
    }

    /// Whether it changes the prompt; a prefill does not.
    #[must_use]
    pub fn changes_prompt(&self) -> bool {
        match self {
            Self::None {} | Self::Prefill { .. } => false,
            Self::Suffix { .. } | Self::Template { .. } => true,
            Self::Then { attacks } => attacks.iter().any(Self::changes_prompt),
        }
    }

    fn upon(&self, so_far: Attacked, item: &Item, done: &mut Done) -> Result<Attacked, AttackError> {
        match self {
            Self::None {} => Ok(so_far),
            Self::Prefill { .. } if std::mem::replace(&mut done.prefilled, true) => Err(AttackError::TwoPrefills),
            Self::Prefill { tokens, text } => {
                Ok(Attacked { prefill: text.of(item, &so_far.prompt)?, prefill_tokens: *tokens, ..so_far })
            }
            Self::Suffix { text } => {
                done.changed = true;
                Ok(Attacked { prompt: suffixed(&so_far.prompt, &filled(text, item, &so_far.prompt)?.text), ..so_far })
            }
            Self::Template { text } => {
                let changed = std::mem::replace(&mut done.changed, true);
                Ok(Attacked { prompt: template::filled(text, item, &so_far.prompt, changed)?, ..so_far })
            }
            Self::Then { attacks } => attacks.iter().try_fold(so_far, |so_far, attack| attack.upon(so_far, item, done)),
        }
    }

    /// A name for records. Attacks that differ have different names; texts are named by their CRC-32.
    ///
    /// ```
    /// use saffron_search::eval::attack::{Attack, PrefillText};
    /// let prefill = Attack::Prefill { tokens: 10, text: PrefillText::Reply };
    /// assert_eq!(prefill.name(), "prefill-10");
    /// let suffix = Attack::Suffix { text: "!".into() };
    /// assert_eq!(Attack::Then { attacks: vec![suffix, prefill] }.name(), "suffix-9e6bffd3+prefill-10");
    /// ```
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::None {} => "none".to_owned(),
            Self::Prefill { tokens, text: PrefillText::Reply } => format!("prefill-{tokens}"),
            Self::Prefill { tokens, text: PrefillText::Target } => format!("prefill-{tokens}-target"),
            Self::Prefill { tokens, text: PrefillText::Pattern(text) } => format!("prefill-{tokens}-{}", digest(text)),
            Self::Suffix { text } => format!("suffix-{}", digest(text)),
            Self::Template { text } => format!("template-{}", digest(text)),
            Self::Then { attacks } if attacks.is_empty() => "none".to_owned(),
            Self::Then { attacks } => attacks.iter().map(Self::name).collect::<Vec<_>>().join("+"),
        }
    }
}

impl PrefillText {
    fn of(&self, item: &Item, attacked: &str) -> Result<String, AttackError> {
        match self {
            Self::Reply => item.reply.clone().ok_or_else(|| AttackError::NoReply { id: item.id.clone() }),
            Self::Target => item.target.clone().ok_or_else(|| AttackError::NoTarget { id: item.id.clone() }),
            Self::Pattern(pattern) => Ok(filled(pattern, item, attacked)?.text),
        }
    }
}

/// What has been done to an item so far.
#[derive(Debug)]
struct Done {
    /// Whether the prompt is another than the item's own question.
    changed: bool,
    prefilled: bool,
}

/// A text whose places hold what belongs to an item.
fn filled(pattern: &str, item: &Item, attacked: &str) -> Result<Filled, AttackError> {
    let question = item.question();
    fill(pattern, Words { question, request: &request(question), attacked })
}

fn suffixed(prompt: &str, suffix: &str) -> String {
    let space = if suffix.starts_with(char::is_whitespace) { "" } else { " " };
    format!("{prompt}{space}{suffix}")
}

/// A question's words as they would stand within a sentence.
fn request(question: &str) -> String {
    let words = question.trim().trim_end_matches(['?', '.', ' ']);
    let mut letters = words.chars();
    match letters.next() {
        Some(first) if begins_small(words) => first.to_lowercase().chain(letters).collect(),
        _ => words.to_owned(),
    }
}

/// Whether the first word has a capital for no other reason than being first.
fn begins_small(words: &str) -> bool {
    let first = words.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    first != "I" && !first.chars().skip(1).any(char::is_uppercase)
}

fn digest(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}
