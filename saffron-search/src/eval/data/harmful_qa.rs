//! HarmfulQA: questions under topics and subtopics.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::records::whole;
use super::source::Container;
use super::{DataErrorKind, Item, Place, Source};

type Topics = Ordered<Ordered<Vec<String>>>;

/// The questions in the file's order; a question's place is its number.
pub(super) fn items(source: &Source) -> Result<Vec<(Item, Place)>, DataErrorKind> {
    if source.container != Container::Json {
        return Err(DataErrorKind::WrongExtension { expected: ".json or .json.gz" });
    }
    let topics: Topics = serde_json::from_str(source.text()?).map_err(|error| whole(&error))?;
    let questions = topics.0.iter().flat_map(|(topic, subtopics)| {
        let group = move |subtopic: &str| format!("{topic} / {subtopic}");
        subtopics
            .0
            .iter()
            .flat_map(move |(subtopic, questions)| questions.iter().map(move |question| (group(subtopic), question)))
    });
    questions.enumerate().map(|(index, (group, question))| item(index, group, question)).collect()
}

fn item(index: usize, group: String, question: &str) -> Result<(Item, Place), DataErrorKind> {
    let place = Place::Row(index + 1);
    match question.trim().is_empty() {
        true => Err(DataErrorKind::EmptyPrompt { place }),
        false => Ok((Item { group: Some(group), ..Item::new(index.to_string(), question) }, place)),
    }
}

/// The entries of a JSON object in the file's order.
struct Ordered<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of topics, of subtopics, of questions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Ordered(entries))
    }
}
