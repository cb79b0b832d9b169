//! JSON: a value a line, or one array.

use std::fmt;
use std::io::BufRead;
use std::ops::ControlFlow;

use serde::Deserializer as _;
use serde::de::{Error, SeqAccess, Visitor};
use serde_json::Value;

use super::{Each, Outcome, Record};
use crate::eval::data::source::{Source, carried};
use crate::eval::data::{DataErrorKind, Place};
use crate::json::{Meter, Metered, from_slice};

/// One value a line; blank lines are skipped.
pub(super) fn lines(source: &Source, each: Each<'_>) -> Result<(), DataErrorKind> {
    let (mut text, mut line, mut index) = (source.text(), Vec::new(), 0);
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
        let value = value(&line, before + 1, source)?;
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

/// The elements of an array.
pub(super) fn array(source: &Source, each: Each<'_>) -> Result<(), DataErrorKind> {
    let mut outcome = Outcome::default();
    let mut deserializer = serde_json::Deserializer::from_reader(source.text());
    let rows = Rows { source, each, outcome: &mut outcome };
    let read = deserializer.deserialize_seq(rows).and_then(|()| deserializer.end());
    outcome.of(read)
}

/// Shows the elements of an array.
struct Rows<'a, 'b> {
    source: &'a Source,
    each: Each<'a>,
    outcome: &'b mut Outcome,
}

impl Rows<'_, '_> {
    fn show(&mut self, index: usize, value: Value) -> Result<ControlFlow<()>, DataErrorKind> {
        let place = Place::Row(index + 1);
        self.source.row_ended();
        self.source.check_rows(index, place)?;
        (self.each)(Record { index, place, value, header: false })
    }

    fn spent(&mut self, meter: &Meter, index: usize) {
        if meter.is_spent() {
            let _ = self.outcome.note(Err(self.source.spent(Place::Row(index + 1))));
        }
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
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
