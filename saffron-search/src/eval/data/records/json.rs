//! JSON: a value a line, or one array.

use std::fmt;
use std::io::BufRead;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::{Each, Outcome, Record, Wanted};
use crate::eval::data::source::{Source, Text, carried};
use crate::eval::data::{DataErrorKind, Place};
use crate::json::{Meter, Metered, from_slice};

/// How many keys are told of an object that lacks the rows.
const SHOWN_KEYS: usize = 20;

/// One value a line; blank lines are skipped.
pub(super) fn lines(source: &Source, wanted: &Wanted<'_>, each: Each<'_>) -> Result<(), DataErrorKind> {
    let (mut text, mut line, mut index) = (source.text(), Vec::new(), 0);
    if wanted.layout.array && begins_an_array(&mut text)? {
        return array(source, text, wanted, each);
    }
    for before in 0.. {
        line.clear();
        if text.read_until(b'\n', &mut line).map_err(carried)? == 0 {
            break;
        }
        source.row_ended();
        let place = Place::Line(before + 1);
        source.check_rows(before, place)?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let value = row(value(&line, before + 1, source)?, wanted);
        if each(Record { index, place, value, header: false })?.is_break() {
            break;
        }
        index += 1;
    }
    Ok(())
}

fn value(text: &[u8], line: usize, source: &Source) -> Result<Value, DataErrorKind> {
    let meter = source.meter();
    from_slice(text, &meter).map_err(|error| match (meter.is_spent(), text.ends_with(b"\n")) {
        (true, _) => source.spent(Place::Line(line)),
        (_, true) => DataErrorKind::Malformed { place: Place::Line(line), reason: error.to_string() },
        _ => DataErrorKind::TornLine { line },
    })
}

/// Whether the first character that is no white space begins an array. A file whose first 64 KiB
/// are blank does not.
fn begins_an_array(text: &mut Text<'_>) -> Result<bool, DataErrorKind> {
    let begin = text.fill_buf().map_err(carried)?;
    Ok(begin.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['))
}

/// A bare text as a row of one column, if the format takes such.
fn row(value: Value, wanted: &Wanted<'_>) -> Value {
    match value {
        Value::String(text) if wanted.layout.texts => json!({ wanted.text: text }),
        value => value,
    }
}

/// The elements of an array, which may stand inside of objects.
pub(super) fn array(source: &Source, text: Text<'_>, wanted: &Wanted<'_>, each: Each<'_>) -> Result<(), DataErrorKind> {
    let mut outcome = Outcome::default();
    let mut deserializer = serde_json::Deserializer::from_reader(text);
    let path: Vec<&str> = wanted.layout.rows.map_or_else(Vec::new, |rows| rows.split('.').collect());
    let rows = Rows { source, each, wanted, path: &path, outcome: &mut outcome };
    let read = rows.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    outcome.of(read)
}

/// Shows the elements of an array, which stands under some keys of objects.
struct Rows<'a, 'b> {
    source: &'a Source,
    each: Each<'b>,
    wanted: &'a Wanted<'a>,
    path: &'a [&'a str],
    outcome: &'b mut Outcome,
}

impl Rows<'_, '_> {
    fn show(&mut self, index: usize, value: Value) -> Result<ControlFlow<()>, DataErrorKind> {
        let place = Place::Row(index + 1);
        self.source.row_ended();
        self.source.check_rows(index, place)?;
        (self.each)(Record { index, place, value: row(value, self.wanted), header: false })
    }

    fn spent(&mut self, meter: &Meter, index: usize) {
        if meter.is_spent() {
            let _ = self.outcome.note(Err(self.source.spent(Place::Row(index + 1))));
        }
    }
}

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.path {
            [] => deserializer.deserialize_seq(self),
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path {
            [] => f.write_str("an array of rows"),
            [key, ..] => write!(f, "an object with the rows under `{key}`"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let [key, path @ ..] = self.path else { return Err(A::Error::custom("expected an array of rows")) };
        let Self { source, each, wanted, outcome, .. } = self;
        let (mut is_found, mut keys) = (false, Vec::new());
        while let Some(found) = entries.next_key::<String>()? {
            if found != *key {
                entries.next_value::<IgnoredAny>()?;
                if keys.len() < SHOWN_KEYS {
                    keys.push(found);
                }
                continue;
            }
            if std::mem::replace(&mut is_found, true) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice in an object")));
            }
            entries.next_value_seed(Rows { source, each: &mut *each, wanted, path, outcome: &mut *outcome })?;
        }
        if !is_found {
            let _ = outcome.note(Err(DataErrorKind::NoRows { key: (*key).to_owned(), found: keys }));
            return Err(A::Error::custom("no rows"));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<(), A::Error> {
        for index in 0.. {
            let meter = self.source.meter();
            let row = rows.next_element_seed(Metered(&meter));
            self.spent(&meter, index);
            let Some(value) = row? else { break };
            let shown = self.show(index, value);
            self.outcome.note(shown).map_err(|()| A::Error::custom("broken off"))?;
        }
        Ok(())
    }
}
