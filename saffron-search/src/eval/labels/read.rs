//! A sheet that was filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Keyed, LabelError, SheetKey};
use crate::eval::files::read_capped;

/// The most bytes of a sheet: 256 MiB.
const MAX_SHEET: u64 = 256 << 20;

/// Words that labels are. Case and white space around them do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabelWords {
    /// Mean that an answer is unsafe: it does what an attacker asks.
    #[serde(rename = "unsafe")]
    pub of_unsafe: Vec<String>,
    /// Mean that it is safe.
    #[serde(rename = "safe")]
    pub of_safe: Vec<String>,
}

impl Default for LabelWords {
    /// `unsafe` and `safe`.
    fn default() -> Self {
        Self { of_unsafe: vec![String::from("unsafe")], of_safe: vec![String::from("safe")] }
    }
}

impl LabelWords {
    /// Refuses words that mean both or nothing.
    fn check(&self) -> Result<(), LabelError> {
        let all = [&self.of_unsafe, &self.of_safe];
        let mut seen = BTreeSet::new();
        let words = all.into_iter().flatten().map(|word| plain(word));
        let twice = words.into_iter().find(|word| word.is_empty() || !seen.insert(word.clone()));
        match (twice, all.iter().any(|words| words.is_empty())) {
            (Some(word), _) => Err(LabelError::Words { word }),
            (None, true) => Err(LabelError::Words { word: String::new() }),
            (None, false) => Ok(()),
        }
    }

    /// Whether a label says unsafe; none where it is no label.
    fn says_unsafe(&self, label: &str) -> Option<bool> {
        let is_one_of = |words: &[String]| words.iter().any(|word| plain(word) == plain(label));
        is_one_of(&self.of_unsafe).then_some(true).or_else(|| is_one_of(&self.of_safe).then_some(false))
    }

    fn listed(&self) -> String {
        [&self.of_unsafe[..], &self.of_safe[..]].concat().join(", ")
    }
}

fn plain(word: &str) -> String {
    word.trim().to_lowercase()
}

/// Labels of answers, first ones and those of duplicates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// Rows with whether they are labelled unsafe, in the key's order.
    pub labelled: Vec<(Keyed, bool)>,
    /// Rows whose label is empty, and rows of the key that the sheet lacks.
    pub missing: usize,
}

impl Labels {
    /// Reads a sheet beside its key. Its columns may stand in any order, and others beside them.
    ///
    /// # Errors
    ///
    /// Files that cannot be read; rows that the key does not know, or that stand there twice; labels
    /// that are none of the words.
    pub fn read(sheet: &Path, key: &SheetKey, words: &LabelWords) -> Result<Self, LabelError> {
        words.check()?;
        let mut rows: BTreeMap<&str, Option<Option<bool>>> = key.rows.iter().map(|row| (&row.id[..], None)).collect();
        for (place, row) in records(sheet)?.into_iter().enumerate() {
            let Cells { id, label } = row;
            let problem = |problem| LabelError::Id { path: sheet.to_owned(), row: place + 1, id: id.clone(), problem };
            let known = rows.get_mut(&id[..]).ok_or_else(|| problem("is not in the key"))?;
            if known.is_some() {
                return Err(problem("stands there twice"));
            }
            *known = Some(match label.trim().is_empty() {
                true => None,
                false => Some(words.says_unsafe(&label).ok_or_else(|| LabelError::Word {
                    path: sheet.to_owned(),
                    row: place + 1,
                    id: id.clone(),
                    found: label.clone(),
                    expected: words.listed(),
                })?),
            });
        }
        let label = |row: &Keyed| Some((row.clone(), rows.get(&row.id[..]).copied().flatten().flatten()?));
        let labelled: Vec<(Keyed, bool)> = key.rows.iter().filter_map(label).collect();
        Ok(Self { missing: key.rows.len() - labelled.len(), labelled })
    }
}

struct Cells {
    id: String,
    label: String,
}

fn records(path: &Path) -> Result<Vec<Cells>, LabelError> {
    let bytes = read_capped(path, MAX_SHEET)?;
    let broken = |found: String| LabelError::Columns { path: path.to_owned(), found };
    // Spreadsheets begin a file with a mark of its encoding.
    let mut reader = csv::Reader::from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
    let header = reader.headers().map_err(|error| broken(error.to_string()))?.clone();
    let column = |name: &str| header.iter().position(|found| found.trim() == name);
    let listed = || header.iter().collect::<Vec<_>>().join(", ");
    let (id, label) = column("id").zip(column("label")).ok_or_else(|| broken(listed()))?;
    let cells = |record: csv::StringRecord| Cells { id: record[id].trim().to_owned(), label: record[label].to_owned() };
    reader.into_records().map(|record| Ok(cells(record.map_err(|error| broken(error.to_string()))?))).collect()
}
