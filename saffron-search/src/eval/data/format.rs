//! The formats of public data sets, by name.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Columns, DataError, DataErrorKind, Item, Label, Pair, Record, Row, Source, Wanted};
use super::{gptfuzz, harmful_qa, pairs, records};

/// What the rows of a file mean. In a configuration: `"hex-phi"`, `{ columns = { prompt = "question" } }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Format {
    /// A column `prompt` and, if the rows have one, a column `id`; or a text file with a prompt a line.
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
    /// Any other file of rows.
    Columns(Columns),
}

impl Format {
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
            Self::RewardBench => pairs::reward_bench(source, &mut |row, place| each(row.item(), place)),
            Self::Columns(columns) => columns.items(source, each),
        };
        shown.map_err(|kind| DataError::new(&source.path, source.cause(kind)))
    }

    /// Shows the preference pairs with where each stands.
    pub(super) fn pairs(&self, source: &Source, each: Row<'_, Pair>) -> Result<(), DataErrorKind> {
        let shown = match self {
            Self::HhRlhf => pairs::hh_rlhf(source, each),
            Self::RewardBench => pairs::reward_bench(source, &mut |row, place| each(row.pair(), place)),
            _ => return Err(DataErrorKind::NotPairs),
        };
        shown.map_err(|kind| source.cause(kind))
    }
}

fn prompts(source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
    let wanted = Wanted { text: "prompt", columns: vec!["prompt"], optional: Some("id") };
    records(source, &wanted, &mut |record| each(prompt(&record)?, record.place))
}

fn conversations(source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
    let wanted = Wanted { text: "prompt", columns: Vec::new(), optional: None };
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
