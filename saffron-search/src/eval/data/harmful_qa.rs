//! HarmfulQA: questions under topics and subtopics.

use std::fmt;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::records::Outcome;
use super::source::Container;
use super::{DataErrorKind, Item, Place, Row, Source};

/// Shows the questions in the file's order; a question's place is its number.
pub(super) fn items(source: &Source, each: Row<'_, Item>) -> Result<(), DataErrorKind> {
    if source.container != Container::Json {
        return Err(DataErrorKind::WrongExtension { expected: ".json or .json.gz" });
    }
    let mut outcome = Outcome::default();
    let mut deserializer = serde_json::Deserializer::from_reader(source.text());
    let mut read = Read { source, each, index: 0, outcome: &mut outcome };
    let read = Topics(&mut read).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    outcome.of(read)
}

/// What is read so far.
struct Read<'a, 'b> {
    source: &'a Source,
    each: Row<'a, Item>,
    index: usize,
    outcome: &'b mut Outcome,
}

impl Read<'_, '_> {
    fn show(&mut self, group: String, question: &str) -> Result<ControlFlow<()>, DataErrorKind> {
        let place = Place::Row(self.index + 1);
        self.source.row_ended();
        self.source.check_rows(self.index, place)?;
        if question.trim().is_empty() {
            return Err(DataErrorKind::EmptyPrompt { place });
        }
        let item =
            Item { category: Some(group.clone()), group: Some(group), ..Item::new(self.index.to_string(), question) };
        self.index += 1;
        (self.each)(item, place)
    }
}

/// The object of topics.
struct Topics<'r, 'a, 'b>(&'r mut Read<'a, 'b>);

/// The object of a topic's subtopics.
struct Subtopics<'r, 'a, 'b>(&'r mut Read<'a, 'b>, String);

/// The array of a subtopic's questions, and the name of their group.
struct Questions<'r, 'a, 'b>(&'r mut Read<'a, 'b>, String);

const EXPECTED: &str = "an object of topics, of subtopics, of questions";

impl<'de> DeserializeSeed<'de> for Topics<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Topics<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut topics: A) -> Result<(), A::Error> {
        while let Some(topic) = topics.next_key()? {
            topics.next_value_seed(Subtopics(self.0, topic))?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Subtopics<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Subtopics<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut subtopics: A) -> Result<(), A::Error> {
        while let Some(subtopic) = subtopics.next_key::<String>()? {
            let group = format!("{} / {subtopic}", self.1);
            subtopics.next_value_seed(Questions(self.0, group))?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Questions<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Questions<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut questions: A) -> Result<(), A::Error> {
        while let Some(question) = questions.next_element::<String>()? {
            let shown = self.0.show(self.1.clone(), &question);
            self.0.outcome.note(shown).map_err(|()| A::Error::custom("broken off"))?;
        }
        Ok(())
    }
}
