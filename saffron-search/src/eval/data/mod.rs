//! Reading prompts and replies from files.
//!
//! [`read`] turns a file into a [`Dataset`] of [`Item`]s, [`read_pairs`] into preference [`Pair`]s. What a file's rows mean is its
//! [`Format`]: a public data set by name, or [`Columns`] of any other. How they are stored is seen from the file's extension:
//!
//! | extension | rows |
//! |---|---|
//! | `.jsonl`, `.ndjson` | one JSON value a line |
//! | `.json` | the elements of one array, which may stand inside of objects |
//! | `.csv`, `.tsv` | records under a line of column names, or without one |
//! | `.txt` | lines that are not blank, as the column `prompt` |
//! | `.parquet` | rows (feature `parquet`) |
//!
//! All but parquet may be followed by `.gz`. Text is UTF-8; a byte order mark is skipped. Files are
//! not trusted: whatever is wrong with one is a [`DataError`] that says where, and what one may
//! cost is bounded by [`DataLimits`]. Only regular files are read. A file that was cut off is told
//! by its last row; bare text, and CSV cut within the last field of a row without quotes, do not
//! show it.

mod chat;
mod choice;
mod columns;
mod dataset;
mod error;
mod expression;
mod format;
mod gptfuzz;
mod harmful_qa;
mod item;
mod left_out;
mod limits;
mod pairs;
mod reading;
mod records;
pub mod sets;
mod source;

use std::ops::ControlFlow;
use std::path::Path;

pub use choice::Choice;
pub use columns::{Columns, Filter, LabelColumn, Unwanted};
pub use dataset::{Dataset, Origin, Pairs, Share};
pub use error::{DataError, DataErrorKind, Place};
pub use format::Format;
pub use item::{Item, Label, Pair, Speaker, Turn};
pub use left_out::LeftOut;
pub use limits::{Cap, DataLimits, MAX_BYTES};

/// For readers of other parquet files in this workspace.
#[cfg(feature = "parquet")]
#[doc(hidden)]
pub mod parquet_guard {
    pub use super::records::parquet::{check_footer, check_group, list_values};
}

pub(super) use records::{Record, Row, Wanted, records};
pub(super) use source::Source;

/// Reads a file.
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
    read_chosen(path, format, &Choice::default())
}

/// Reads the items of a file that are wanted, and no more of the file than that takes.
///
/// # Errors
///
/// As [`read`]. A choice that leaves no item is none; ids are compared among the items that the
/// choice goes through.
pub fn read_chosen(path: impl AsRef<Path>, format: &Format, choice: &Choice) -> Result<Dataset, DataError> {
    read_within(path, format, choice, DataLimits::default())
}

/// Reads the items of a file that are wanted, within limits of one's own.
///
/// # Errors
///
/// As [`read_chosen`].
pub fn read_within(
    path: impl AsRef<Path>,
    format: &Format,
    choice: &Choice,
    limits: DataLimits,
) -> Result<Dataset, DataError> {
    let path = path.as_ref();
    let named = |kind| DataError::new(path, kind);
    let (items, source) = placed(path, format, choice, limits)?;
    let left_out = source.left_out.counted();
    let items = dataset::checked(items, |item| item.id.as_str()).map_err(named)?;
    Ok(choice.of(Dataset { items, origin: source.origin().map_err(named)?, left_out }))
}

/// The items that may be wanted, with where each stands.
pub(super) fn placed(
    path: &Path,
    format: &Format,
    choice: &Choice,
    limits: DataLimits,
) -> Result<(Vec<(Item, Place)>, Source), DataError> {
    let source = Source::open(path, limits).map_err(|kind| DataError::new(path, kind))?;
    let (mut items, mut any) = (Vec::new(), false);
    format.items(&source, &mut |item, place| {
        any = true;
        if choice.keeps(&item) && !choice.has_enough(items.len()) {
            source.keep(item.size(), place)?;
            items.push((item, place));
        }
        Ok(if choice.has_enough(items.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    match any {
        true => Ok((items, source)),
        false => Err(DataError::new(path, DataErrorKind::Empty)),
    }
}

/// Reads the preference pairs of a file in [`Format::HhRlhf`], [`Format::RewardBench`],
/// [`Format::Preferences`] or the set `pku-saferlhf`.
///
/// # Errors
///
/// As [`read`], and a format that holds no pairs.
pub fn read_pairs(path: impl AsRef<Path>, format: &Format) -> Result<Pairs, DataError> {
    read_pairs_chosen(path, format, &Choice::default())
}

/// Reads the preference pairs of a file that are wanted, and no more of the file than that takes.
/// Pairs are chosen as items are, each by its [`Pair::prompt`]; none is of a group.
///
/// # Errors
///
/// As [`read_pairs`]. A choice that leaves no pair is none; ids are compared among the pairs that
/// the choice goes through.
pub fn read_pairs_chosen(path: impl AsRef<Path>, format: &Format, choice: &Choice) -> Result<Pairs, DataError> {
    read_pairs_within(path, format, choice, DataLimits::default())
}

/// Reads the preference pairs that are wanted, within limits of one's own.
///
/// # Errors
///
/// As [`read_pairs_chosen`].
pub fn read_pairs_within(
    path: impl AsRef<Path>,
    format: &Format,
    choice: &Choice,
    limits: DataLimits,
) -> Result<Pairs, DataError> {
    let path = path.as_ref();
    let named = |kind| DataError::new(path, kind);
    let source = Source::open(path, limits).map_err(named)?;
    let (mut pairs, mut any) = (Vec::new(), false);
    let read = format.pairs(&source, &mut |pair, place| {
        any = true;
        if choice.keeps_pair(&pair) && !choice.has_enough(pairs.len()) {
            source.keep(pair.size(), place)?;
            pairs.push((pair, place));
        }
        Ok(if choice.has_enough(pairs.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    read.map_err(named)?;
    if !any {
        return Err(named(DataErrorKind::Empty));
    }
    let left_out = source.left_out.counted();
    let pairs = dataset::checked(pairs, |pair| pair.id.as_str()).map_err(named)?;
    Ok(choice.of_pairs(Pairs { pairs, origin: source.origin().map_err(named)?, left_out }))
}
