//! GPTFuzz: harmful questions, and labelled replies to them under jailbreak templates.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::dataset::checked;
use super::{Columns, DataError, DataErrorKind, Item, LabelColumn, Place, Row, Source};

pub(super) fn question_columns() -> Columns {
    Columns { id: Some("index".into()), ..Columns::new("text") }
}

/// Shows the replies, each with the text of its question.
pub(super) fn responses(source: &Source, questions: &Path, each: Row<'_, Item>) -> Result<(), DataError> {
    let file = Source::open(questions, source.limits);
    let questions = file.and_then(|file| read_questions(&file)).map_err(|kind| DataError::new(questions, kind))?;
    let shown =
        response_columns().items(source, &mut |item, place| each(with_question(item, place, &questions)?, place));
    shown.map_err(|kind| DataError::new(&source.path, source.cause(kind)))
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

fn read_questions(file: &Source) -> Result<BTreeMap<String, String>, DataErrorKind> {
    let mut items = Vec::new();
    let read = question_columns().items(file, &mut |item, place| {
        file.keep(item.size(), place)?;
        items.push((item, place));
        Ok(ControlFlow::Continue(()))
    });
    read.map_err(|kind| file.cause(kind))?;
    if items.is_empty() {
        return Err(DataErrorKind::Empty);
    }
    let items = checked(items, |item| item.id.as_str())?;
    Ok(items.into_iter().map(|item| (item.id, item.prompt)).collect())
}

fn with_question(item: Item, place: Place, questions: &BTreeMap<String, String>) -> Result<Item, DataErrorKind> {
    match questions.get(&item.prompt) {
        Some(question) => Ok(Item { prompt: question.clone(), ..item }),
        None => Err(DataErrorKind::UnknownQuestion { place, question: item.prompt, known: questions.len() }),
    }
}
