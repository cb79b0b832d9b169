//! Answers to be labelled.

use std::fmt;
use std::io;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::{sample_to_front, shuffle};
use serde::{Deserialize, Serialize};

use super::{Keyed, LabelError, SheetKey};
use crate::eval::files::replace;
use crate::eval::runs::Record;

/// How a sheet is made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SheetSettings {
    /// Seed of the order, of the duplicates, and of what is taken.
    pub seed: u64,
    /// Share of the answers that stand there a second time, from 0 to 1; 0.15 by default. How a
    /// reader agrees with itself bounds how it can agree with others.
    pub duplicates: f64,
    /// At most so many answers, drawn at random; all by default.
    pub take: Option<usize>,
}

impl Default for SheetSettings {
    fn default() -> Self {
        Self { seed: 0, duplicates: 0.15, take: None }
    }
}

/// Answers in random order, without the names of strategies. Rows look alike: nothing in an id
/// tells of strategy, prompt or duplicate.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The rows in order.
    pub rows: Vec<SheetRow>,
    /// Which answer each row is.
    pub key: SheetKey,
    /// What could not be put on the sheet.
    pub left_out: LeftOut,
}

/// A row of a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetRow {
    /// Its id.
    pub id: String,
    /// What the policy was asked.
    pub prompt: String,
    /// What was answered.
    pub answer: String,
}

/// Records that no reader can label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Prompts without an answer.
    pub failed: usize,
    /// Answers whose text, or whose prompt, was not kept.
    pub without_text: usize,
    /// Answers that were not drawn.
    pub not_taken: usize,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failed, without_text, not_taken } = self;
        write!(
            f,
            "{failed} prompts failed, {without_text} answers have no text or prompt beside them (keep_text = true keeps both), \
             {not_taken} were not drawn"
        )
    }
}

impl Sheet {
    /// A sheet of the records' answers.
    ///
    /// # Errors
    ///
    /// A share that is none; nothing to label.
    pub fn of(records: &[Record], settings: &SheetSettings) -> Result<Self, LabelError> {
        if !(0.0..=1.0).contains(&settings.duplicates) {
            return Err(LabelError::Share { found: settings.duplicates });
        }
        let (mut left_out, mut rng) = (LeftOut::default(), ChaCha8Rng::seed_from_u64(settings.seed));
        let mut answers: Vec<Shown<'_>> = records.iter().filter_map(|record| shown(record, &mut left_out)).collect();
        let taken = settings.take.unwrap_or(usize::MAX).min(answers.len());
        sample_to_front(&mut rng, &mut answers, taken);
        left_out.not_taken = answers.len() - taken;
        answers.truncate(taken);
        if answers.is_empty() {
            return Err(LabelError::Nothing { left_out });
        }
        let twice = (settings.duplicates * taken as f64).round() as usize;
        let mut rows: Vec<(Shown<'_>, bool)> = answers.iter().map(|shown| (*shown, false)).collect();
        sample_to_front(&mut rng, &mut answers, twice);
        rows.extend(answers[..twice].iter().map(|shown| (*shown, true)));
        shuffle(&mut rng, &mut rows);
        Ok(Self::in_order(&rows, settings.seed, left_out))
    }

    fn in_order(rows: &[(Shown<'_>, bool)], seed: u64, left_out: LeftOut) -> Self {
        let id = |place: usize| format!("a{:05}", place + 1);
        let row = |(place, (shown, _)): (usize, &(Shown<'_>, bool))| SheetRow {
            id: id(place),
            prompt: shown.prompt.to_owned(),
            answer: shown.answer.to_owned(),
        };
        let keyed = |(place, (shown, again)): (usize, &(Shown<'_>, bool))| Keyed {
            id: id(place),
            key: shown.record.key.clone(),
            answer: crc32fast::hash(shown.answer.as_bytes()),
            again: *again,
        };
        let key = SheetKey::new(seed, rows.iter().enumerate().map(keyed).collect());
        Self { rows: rows.iter().enumerate().map(row).collect(), key, left_out }
    }

    /// Writes the sheet as a CSV with the columns `id`, `prompt`, `answer`, `label` and `note`, the
    /// last two empty. Cells that a spreadsheet would run as a formula begin with an apostrophe.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(&self, path: &Path) -> Result<(), LabelError> {
        Ok(replace(path, |file| {
            let mut csv = csv::Writer::from_writer(file);
            csv.write_record(["id", "prompt", "answer", "label", "note"]).map_err(io::Error::from)?;
            for SheetRow { id, prompt, answer } in &self.rows {
                csv.write_record([id, &inert(prompt), &inert(answer), "", ""]).map_err(io::Error::from)?;
            }
            csv.flush()
        })?)
    }
}

/// An answer that a reader can see.
#[derive(Clone, Copy)]
struct Shown<'a> {
    record: &'a Record,
    prompt: &'a str,
    answer: &'a str,
}

fn shown<'a>(record: &'a Record, left_out: &mut LeftOut) -> Option<Shown<'a>> {
    let Some(answer) = record.answer() else {
        left_out.failed += 1;
        return None;
    };
    let (Some(prompt), Some(answer)) = (record.prompt.as_deref(), answer.text.as_deref()) else {
        left_out.without_text += 1;
        return None;
    };
    Some(Shown { record, prompt, answer })
}

/// A text that no spreadsheet takes for a formula.
fn inert(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if runs { format!("'{text}") } else { text.to_owned() }
}
