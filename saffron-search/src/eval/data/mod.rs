//! Reading prompts and replies from files.
//!
//! [`read`] turns a file into a [`Dataset`] of [`Item`]s, [`read_pairs`] into preference [`Pair`]s. What a file's rows mean is its
//! [`Format`]: a public data set by name, or [`Columns`] of any other. How they are stored is seen from the file's extension:
//!
//! | extension | rows |
//! |---|---|
//! | `.jsonl`, `.ndjson` | one JSON value a line |
//! | `.json` | the elements of one array |
//! | `.csv` | records under a line of column names |
//! | `.txt` | lines that are not blank, as the column `prompt` |
//! | `.parquet` | rows (feature `parquet`) |
//!
//! All but parquet may be followed by `.gz`. Text is UTF-8; a byte order mark is skipped. Files are not trusted: whatever is wrong
//! with one is a [`DataError`] that says where. A file that was cut off is told by its last row; bare text, and CSV cut within the last
//! field of a row without quotes, do not show it.

mod columns;
mod dataset;
mod error;
mod format;
mod gptfuzz;
mod harmful_qa;
mod item;
mod pairs;
mod records;
mod source;

use std::path::Path;

pub use columns::{Columns, Filter, LabelColumn};
pub use dataset::{Dataset, Origin, Pairs, Share, below};
pub use error::{DataError, DataErrorKind, Place};
pub use format::Format;
pub use item::{Item, Label, Pair, Speaker, Turn};
pub use source::MAX_BYTES;

pub(super) use records::{Record, records};
pub(super) use source::Source;

/// Reads a file of at most [`MAX_BYTES`].
///
/// ```
/// use saffron_search::eval::data::{Format, read};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("questions.csv");
/// std::fs::write(&path, "id,prompt\nq1,\"How, then?\"\nq2,Why?\n")?;
/// let data = read(&path, &Format::Prompts)?;
/// assert_eq!((data.items[0].id.as_str(), data.items[0].prompt.as_str()), ("q1", "How, then?"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`DataErrorKind`] lists what can be wrong with a file; one without any item is wrong, too.
pub fn read(path: impl AsRef<Path>, format: &Format) -> Result<Dataset, DataError> {
    read_within(path, format, MAX_BYTES)
}

/// Reads a file of at most `max_bytes`, counted both as it lies on the disk and unzipped.
///
/// # Errors
///
/// As [`read`].
pub fn read_within(path: impl AsRef<Path>, format: &Format, max_bytes: u64) -> Result<Dataset, DataError> {
    let path = path.as_ref();
    let named = |kind| DataError::new(path, kind);
    let source = Source::open(path, max_bytes).map_err(named)?;
    let items = format.items(&source, max_bytes)?;
    let items = dataset::checked(items, |item| item.id.as_str()).map_err(named)?;
    Ok(Dataset { items, origin: source.origin() })
}

/// Reads the preference pairs of a file in [`Format::HhRlhf`] or [`Format::RewardBench`].
///
/// # Errors
///
/// As [`read`], and a format that holds no pairs.
pub fn read_pairs(path: impl AsRef<Path>, format: &Format) -> Result<Pairs, DataError> {
    let path = path.as_ref();
    let named = |kind| DataError::new(path, kind);
    let source = Source::open(path, MAX_BYTES).map_err(named)?;
    let pairs = format.pairs(&source).map_err(named)?;
    let pairs = dataset::checked(pairs, |pair| pair.id.as_str()).map_err(named)?;
    Ok(Pairs { pairs, origin: source.origin() })
}
