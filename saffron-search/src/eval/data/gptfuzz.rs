//! GPTFuzz: harmful questions, and labelled replies to them under jailbreak templates.

use std::collections::BTreeMap;
use std::path::Path;

use super::dataset::checked;
use super::{Columns, DataError, DataErrorKind, Item, LabelColumn, Place, Source};

pub(super) fn question_columns() -> Columns {
    Columns { id: Some("index".into()), ..Columns::new("text") }
}

/// The replies, each with the text of its question.
pub(super) fn responses(source: &Source, questions: &Path, limit: u64) -> Result<Vec<(Item, Place)>, DataError> {
    let questions = read_questions(questions, limit).map_err(|kind| DataError::new(questions, kind))?;
    let items = response_columns().items(source).and_then(|items| {
        items.into_iter().map(|(item, place)| Ok((with_question(item, place, &questions)?, place))).collect()
    });
    items.map_err(|kind| DataError::new(&source.path, kind))
}

/// The columns of the replies, the question's index in the prompt's place.
fn response_columns() -> Columns {
    Columns {
        reply: Some("Response".into()),
        label: Some(LabelColumn::ones("label")),
        group: Some("question".into()),
        ..Columns::new("question")
    }
}

fn read_questions(path: &Path, limit: u64) -> Result<BTreeMap<String, String>, DataErrorKind> {
    let items = checked(question_columns().items(&Source::open(path, limit)?)?, |item| item.id.as_str())?;
    Ok(items.into_iter().map(|item| (item.id, item.prompt)).collect())
}

fn with_question(item: Item, place: Place, questions: &BTreeMap<String, String>) -> Result<Item, DataErrorKind> {
    match questions.get(&item.prompt) {
        Some(question) => Ok(Item { prompt: question.clone(), ..item }),
        None => Err(DataErrorKind::UnknownQuestion { place, question: item.prompt, known: questions.len() }),
    }
}
