//! What can be wrong with a data file.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A data file could not be read.
#[derive(Debug)]
pub struct DataError {
    path: PathBuf,
    kind: DataErrorKind,
}

/// Where in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a text file, from 1.
    Line(usize),
    /// An element of a JSON array or a row of a parquet file, from 1.
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Why a data file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataErrorKind {
    /// The operating system gave no bytes.
    #[error("cannot be read: {0}")]
    Io(#[source] io::Error),
    /// The file's name does not say what is in it.
    #[error("expected a name that ends in .jsonl, .ndjson, .json, .csv or .txt (each also with .gz) or in .parquet")]
    UnknownExtension,
    /// The format is kept in files of another kind.
    #[error("files of this format end in {expected}")]
    WrongExtension {
        /// The extensions that would do.
        expected: &'static str,
    },
    /// A parquet file, and no reader for it.
    #[error("parquet files need the feature `parquet` of saffron-search")]
    NeedsParquet,
    /// The file is larger than the caller allows, as it lies on the disk or unzipped.
    #[error("holds more than the {limit} bytes allowed")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The gzip stream is damaged or cut off.
    #[error("damaged gzip stream: {0}")]
    Gzip(#[source] io::Error),
    /// The parquet file is damaged, cut off or uses what the reader lacks.
    #[error("unreadable parquet: {0}")]
    Parquet(#[source] Box<dyn Error + Send + Sync>),
    /// Text that is not UTF-8.
    #[error("line {line}: not UTF-8 at byte {offset} of the (unzipped) file")]
    BadUtf8 {
        /// The line, from 1.
        line: usize,
        /// Bytes before the first bad one.
        offset: usize,
    },
    /// The file ends in the middle of a row: writing it or copying it was cut short.
    #[error("line {line}: the file ends within the row that begins here")]
    TornLine {
        /// The line on which the unfinished row begins, from 1.
        line: usize,
    },
    /// A row that is not what the container or the format says rows are.
    #[error("{place}: {reason}")]
    Malformed {
        /// Where.
        place: Place,
        /// What was expected or what the parser said.
        reason: String,
    },
    /// A CSV record with more or fewer fields than the header.
    #[error("line {line}: expected {expected} fields, found {found}")]
    FieldCount {
        /// The line on which the record begins, from 1.
        line: usize,
        /// Columns named by the header.
        expected: usize,
        /// Fields of the record.
        found: usize,
    },
    /// A row without a column that the format needs.
    #[error("{place}: no column `{column}` among {found:?}")]
    MissingColumn {
        /// Where.
        place: Place,
        /// The column's name.
        column: String,
        /// The columns that the row has, by name.
        found: Vec<String>,
    },
    /// A value of a type that the column cannot have.
    #[error("{place}, column `{column}`: expected {expected}, found {found}")]
    WrongType {
        /// Where.
        place: Place,
        /// The column's name.
        column: String,
        /// The type that it must have.
        expected: &'static str,
        /// The type or value that it has.
        found: String,
    },
    /// A prompt without a word.
    #[error("{place}: the prompt is empty")]
    EmptyPrompt {
        /// Where.
        place: Place,
    },
    /// Two rows of one id.
    #[error("{second}: id `{id}` was already used in {first}")]
    DuplicateId {
        /// The id.
        id: String,
        /// Where it came first.
        first: Place,
        /// Where it came again.
        second: Place,
    },
    /// A reply to a question that the file of questions lacks.
    #[error("{place}: there is no question `{question}` among the {known} questions")]
    UnknownQuestion {
        /// Where.
        place: Place,
        /// The question's index as the row gives it.
        question: String,
        /// Number of questions.
        known: usize,
    },
    /// A format whose rows are no preference pairs.
    #[error("rows of this format are not preference pairs")]
    NotPairs,
    /// No row at all, or none that the filter lets through.
    #[error("holds no row to read")]
    Empty,
}

impl DataError {
    pub(crate) fn new(path: impl AsRef<Path>, kind: DataErrorKind) -> Self {
        Self { path: path.as_ref().to_owned(), kind }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub fn kind(&self) -> &DataErrorKind {
        &self.kind
    }

    /// What is wrong, without the file.
    #[must_use]
    pub fn into_kind(self) -> DataErrorKind {
        self.kind
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.kind)
    }
}

impl Error for DataError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}
