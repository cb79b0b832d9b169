//! The formats of public data sets, by name.

use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::records::Layout;
use super::sets::{Contents, PublicSet};
use super::source::Container;
use super::{Columns, DataError, DataErrorKind, Item, Label, Pair, Record, Row, Source, Wanted};
use super::{gptfuzz, harmful_qa, pairs, records};
use crate::tagged::{Content, Fault};

/// What the rows of a file mean. In a configuration: `"hex-phi"`, `"harmbench"`,
/// `{ columns = { prompt = "question" } }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a program")]
pub enum Format {
    /// A column `prompt` and, if the rows have one, a column `id`; or bare texts: the lines of a text file, an array in JSON.
    Prompts,
    /// GPTFuzz's questions: columns `index` and `text`.
    GptfuzzQuestions,
    /// GPTFuzz's labelled replies: columns `question` (an index into the questions), `Response`, `label` (1 complied, 0 refused). The
    /// question's index is the group.
    GptfuzzResponses {
        /// The file of questions; a relative path starts from the folder of the replies.
        questions: PathBuf,
    },
    /// HarmfulQA: one JSON object of topics, each an object of subtopics, each an array of questions. The group is `topic / subtopic`.
    HarmfulQa,
    /// HH-RLHF: objects of two dialogues, `chosen` and `rejected`. As items: the dialogue as a prompt, the rejected reply.
    HhRlhf,
    /// Harmful HEx-PHI (Qi et al. 2025): rows of two chat messages, a harmful instruction and a harmful reply.
    HexPhi,
    /// RewardBench: columns `prompt`, `chosen`, `rejected`, `subset`, `id`. Only the subsets `refusals-…` are kept, where the rejected
    /// reply complied with harm; other subsets: [`Format::Columns`] with a filter. An item's id is `subset/id`.
    RewardBench,
    /// Preferences as TRL has them: columns `chosen` and `rejected`, and perhaps `prompt`. Each is text or a list of chat messages. As
    /// items: the dialogue as a prompt, the rejected reply.
    Preferences,
    /// Any other file of rows.
    Columns(Columns),
    /// A public set by its name.
    #[serde(skip)]
    Set(PublicSet),
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(set) => serializer.serialize_str(set.name()),
            format => Self::serialize(format, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = Content::deserialize(deserializer)?;
        match &content {
            Content::Text(name) => match PublicSet::named(name) {
                Some(set) => return Ok(Self::Set(set)),
                None if !FORMATS.contains(&&**name) => return Err(D::Error::custom(unknown(name))),
                None => {}
            },
            Content::Table(entries) => {
                if let Some((name, _)) = entries.iter().find(|(name, _)| PublicSet::named(name).is_some()) {
                    return Err(D::Error::custom(format!(
                        "`{name}` has columns of its own: write format = \"{name}\" without any, or {{ columns = {{ … }} }} \
                         for a file that has others"
                    )));
                }
            }
            _ => {}
        }
        let read: Result<Self, Fault> = Self::deserialize(content);
        read.map_err(D::Error::custom)
    }
}

/// The formats that are not sets, by name.
const FORMATS: [&str; 9] = [
    "prompts",
    "gptfuzz-questions",
    "gptfuzz-responses",
    "harmful-qa",
    "hh-rlhf",
    "hex-phi",
    "reward-bench",
    "preferences",
    "columns",
];

fn unknown(name: &str) -> String {
    let sets = PublicSet::all().map(PublicSet::name);
    let names: Vec<String> = FORMATS.into_iter().chain(sets).map(|name| format!("`{name}`")).collect();
    format!("unknown variant `{name}`, expected one of {}", names.join(", "))
}

impl Format {
    /// Whether prompts may be more than the items' own questions.
    #[must_use]
    pub fn has_goals(&self) -> bool {
        match self {
            Self::Columns(columns) => columns.has_goals(),
            Self::Set(set) => set.columns().is_some_and(|columns| columns.has_goals()),
            _ => false,
        }
    }

    /// Whether rows are preference pairs, for [`read_pairs`](super::read_pairs).
    #[must_use]
    pub fn has_pairs(&self) -> bool {
        match self {
            Self::HhRlhf | Self::RewardBench | Self::Preferences => true,
            Self::Set(set) => set.contents() == Contents::SaferOfTwo,
            _ => false,
        }
    }

    /// Refuses settings that no file can be read with. It opens no file.
    ///
    /// # Errors
    ///
    /// As [`Columns::check`].
    pub fn check(&self) -> Result<(), DataErrorKind> {
        if let Self::Columns(columns) = self { columns.check() } else { Ok(()) }
    }

    /// Shows the items with where each stands, until `each` breaks off.
    pub(super) fn items(&self, source: &Source, each: Row<'_, Item>) -> Result<(), DataError> {
        let shown = match self {
            Self::GptfuzzResponses { questions } => {
                let path = source.path.parent().unwrap_or(Path::new("")).join(questions);
                return gptfuzz::responses(source, &path, each);
            }
            Self::Prompts => prompts(source, each),
            Self::GptfuzzQuestions => gptfuzz::question_columns().items(source, each),
            Self::HarmfulQa => harmful_qa::items(source, each),
            Self::HhRlhf => pairs::hh_rlhf(source, &mut |pair, place| each(pairs::hh_rlhf_item(pair), place)),
            Self::HexPhi => conversations(source, each),
            Self::Preferences => pairs::preferences(source, &mut |pair, place| each(pairs::hh_rlhf_item(pair), place)),
            Self::RewardBench => pairs::reward_bench(source, &mut |row, place| each(row.item(), place)),
            Self::Columns(columns) => columns.items(source, each),
            Self::Set(set) => match set.contents() {
                Contents::Rows(columns) => columns.items(source, each),
                Contents::Lines => lines(source, each),
                Contents::Transcripts => pairs::red_team(source, each),
                Contents::SaferOfTwo => {
                    pairs::pku_safe_rlhf(source, &mut |pair, place| each(pairs::hh_rlhf_item(pair), place))
                }
            },
        };
        shown.map_err(|kind| DataError::new(&source.path, source.cause(kind)))
    }

    /// Shows the preference pairs with where each stands.
    pub(super) fn pairs(&self, source: &Source, each: Row<'_, Pair>) -> Result<(), DataErrorKind> {
        let shown = match self {
            Self::HhRlhf => pairs::hh_rlhf(source, each),
            Self::RewardBench => pairs::reward_bench(source, &mut |row, place| each(row.pair(), place)),
            Self::Preferences => pairs::preferences(source, each),
            Self::Set(set) if set.contents() == Contents::SaferOfTwo => pairs::pku_safe_rlhf(source, each),
            _ => return Err(DataErrorKind::NotPairs),
        };
        shown.map_err(|kind| source.cause(kind))
    }
}

fn prompts(source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
    let wanted = Wanted {
        text: "prompt",
        columns: vec!["prompt"],
        optional: Some("id"),
        layout: Layout { texts: true, ..Layout::default() },
    };
    records(source, &wanted, &mut |record| each(prompt(&record)?, record.place))
}

/// The lines of a text file.
fn lines(source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
    match source.container {
        Container::Text => prompts(source, each),
        _ => Err(DataErrorKind::WrongExtension { expected: ".txt or .txt.gz" }),
    }
}

fn conversations(source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
    let wanted = Wanted { text: "prompt", ..Wanted::default() };
    records(source, &wanted, &mut |record| each(conversation(&record)?, record.place))
}

fn prompt(record: &Record) -> Result<Item, DataErrorKind> {
    let id = match record.has("id") {
        true => record.scalar("id")?,
        false => record.index.to_string(),
    };
    Ok(Item::new(id, record.prompt("prompt")?))
}

/// An array of a user's message and an assistant's.
fn conversation(record: &Record) -> Result<Item, DataErrorKind> {
    let messages: Vec<Message> = serde_json::from_value(record.value.clone()).map_err(|error| {
        record.malformed(format!("expected an array of two messages with `role` and `content`: {error}"))
    })?;
    let [user, assistant] = messages.as_slice() else {
        return Err(record.malformed(format!("expected two messages, found {}", messages.len())));
    };
    if (user.role.as_str(), assistant.role.as_str()) != ("user", "assistant") {
        let found = format!("found `{}` and `{}`", user.role, assistant.role);
        return Err(record.malformed(format!("expected a message of `user` and one of `assistant`, {found}")));
    }
    if user.content.trim().is_empty() {
        return Err(DataErrorKind::EmptyPrompt { place: record.place });
    }
    let item = Item::new(record.index.to_string(), &user.content).with_reply(&assistant.content);
    Ok(Item { label: item.reply.is_some().then_some(Label::Complied), ..item })
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}
