//! Sheets that cannot be made or read.

use std::path::PathBuf;

use crate::eval::files::FileError;

/// A sheet of labels that cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No record has what a reader must see.
    #[error("no answer can be labelled: {left_out}")]
    Nothing {
        /// Why.
        left_out: super::LeftOut,
    },
    /// A share of duplicates that is none.
    #[error("the share of duplicates must be from 0 to 1, found {found}")]
    Share {
        /// The share given.
        found: f64,
    },
    /// Words for labels that cannot be told apart, or none.
    #[error("the words for safe and unsafe must be different and at least one each, found `{word}`")]
    Words {
        /// A word that means both, or nothing.
        word: String,
    },
    /// A file that is no CSV with these columns.
    #[error("{path}: expected a CSV with the columns id and label, found {found}", path = .path.display())]
    Columns {
        /// The sheet.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// A key that is none, or one of another version.
    #[error("{path}: no key of a sheet: {reason}", path = .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A label that stands for nothing.
    #[error("{path}, row {row} (`{id}`): the label `{found}` is none of {expected}", path = .path.display())]
    Word {
        /// The sheet.
        path: PathBuf,
        /// Number of the row under the header, from 1.
        row: usize,
        /// Its id.
        id: String,
        /// What stands there.
        found: String,
        /// The words that may.
        expected: String,
    },
    /// A row that the key does not know, or that stands there twice.
    #[error("{path}, row {row}: the id `{id}` {problem}", path = .path.display())]
    Id {
        /// The sheet.
        path: PathBuf,
        /// Number of the row under the header, from 1.
        row: usize,
        /// The id.
        id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Labels of other answers than the records have.
    #[error("the label `{id}` is of another answer than the records have for {key}")]
    OtherAnswer {
        /// Its id in the sheet.
        id: String,
        /// Of which answer it should be.
        key: crate::eval::runs::Key,
    },
}
