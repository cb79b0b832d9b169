//! Values with commas or tabs between them, under a line of column names or without one.

use std::io::Read;
use std::mem;
use std::ops::ControlFlow;

use csv::{ErrorKind, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::{Each, Layout, Record};
use crate::eval::data::source::{Source, carried};
use crate::eval::data::{DataErrorKind, Place};

/// Set behind the last record: a file that ends within a quoted field swallows it.
const END: &str = "\u{1}end of file";

/// What an entry of a row takes besides its texts.
const ENTRY: u64 = 128;

/// Shows the records under the header, or all of them; all values are text.
pub(super) fn rows(source: &Source, delimiter: u8, layout: Layout<'_>, each: Each<'_>) -> Result<(), DataErrorKind> {
    let marked = source.text().chain(&b"\n"[..]).chain(END.as_bytes());
    let mut reader = ReaderBuilder::new();
    reader.flexible(true).has_headers(false).delimiter(delimiter).quoting(layout.quotes);
    let mut reader = reader.from_reader(marked);
    let mut table = Table { source, each, is_named: layout.header, header: None, index: 0 };
    let (mut record, mut held): (_, [Option<StringRecord>; 2]) = (StringRecord::new(), [None, None]);
    while reader.read_record(&mut record).map_err(malformed)? {
        source.row_ended();
        // Of three records, the first is neither the file's last one nor the mark behind it.
        let [first, second] = mem::take(&mut held);
        if let Some(first) = first
            && table.show(&first)?.is_break()
        {
            return Ok(());
        }
        held = [second, Some(mem::take(&mut record))];
    }
    let [last, mark] = held;
    match mark {
        Some(mark) if mark.iter().eq([END]) => table.end(last),
        torn => Err(DataErrorKind::TornLine { line: torn.as_ref().map_or(1, line) }),
    }
}

fn malformed(error: csv::Error) -> DataErrorKind {
    let line = error.position().map_or(1, |position| position.line() as usize);
    let reason = error.to_string();
    match error.into_kind() {
        ErrorKind::Io(error) => carried(error),
        _ => DataErrorKind::Malformed { place: Place::Line(line), reason },
    }
}

/// The header, and what is done with the records under it.
struct Table<'a> {
    source: &'a Source,
    each: Each<'a>,
    /// Whether the first record names the columns.
    is_named: bool,
    header: Option<StringRecord>,
    index: usize,
}

impl Table<'_> {
    /// Takes a record that others follow: the header, or a row.
    fn show(&mut self, record: &StringRecord) -> Result<ControlFlow<()>, DataErrorKind> {
        if self.header.is_none() && self.is_named {
            check_header(record)?;
            self.header = Some(record.clone());
            return Ok(ControlFlow::Continue(()));
        }
        let header = self.header.get_or_insert_with(|| (0..record.len()).map(|place| place.to_string()).collect());
        let (line, expected, found) = (line(record), header.len(), record.len());
        if expected != found {
            return Err(DataErrorKind::FieldCount { line, expected, found });
        }
        let place = Place::Line(line);
        self.source.check_rows(self.index, place)?;
        let bytes = header.as_slice().len() + record.as_slice().len();
        if !self.source.meter().take(bytes as u64 + ENTRY * found as u64) {
            return Err(self.source.spent(place));
        }
        let row = Record { index: self.index, place, value: object(header, record), header: self.is_named };
        self.index += 1;
        (self.each)(row)
    }

    /// Takes the last record. One that is too short is cut off when nothing ends its line.
    fn end(&mut self, last: Option<StringRecord>) -> Result<(), DataErrorKind> {
        let Some(last) = last else { return Ok(()) };
        let short = self.header.as_ref().is_some_and(|header| last.len() < header.len());
        match short && !self.source.ends_a_line() {
            true => Err(DataErrorKind::TornLine { line: line(&last) }),
            false => self.show(&last).map(drop),
        }
    }
}

fn check_header(header: &StringRecord) -> Result<(), DataErrorKind> {
    let mut names: Vec<&str> = header.iter().collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let name: String = pair[0].chars().take(100).collect();
            let reason = format!("two columns are named `{name}`");
            Err(DataErrorKind::Malformed { place: Place::Line(line(header)), reason })
        }
        None => Ok(()),
    }
}

fn object(header: &StringRecord, record: &StringRecord) -> Value {
    let columns = header.iter().zip(record);
    Value::Object(columns.map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>())
}

fn line(record: &StringRecord) -> usize {
    record.position().map_or(1, |position| position.line() as usize)
}
