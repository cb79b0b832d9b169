//! What can be wrong with a data file.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use saffron_core::{listed, shortened};

use super::Cap;

/// Characters that are shown of a text of the file.
const SHOWN: usize = 100;

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
    #[error("cannot be read")]
    Io(#[source] io::Error),
    /// The file's name does not say what is in it.
    #[error(
        "expected a name that ends in .jsonl, .ndjson, .json, .csv, .tsv or .txt (each also with .gz) or in .parquet"
    )]
    UnknownExtension,
    /// The format is kept in files of another kind.
    #[error("files of this format end in {expected}")]
    WrongExtension {
        /// The extensions that would do.
        expected: &'static str,
    },
    /// A key of a format that says something of files of another kind.
    #[error("`{key}` is for files that end in {expected}")]
    Layout {
        /// The key.
        key: &'static str,
        /// The extensions that it is for.
        expected: &'static str,
    },
    /// A text with columns in braces that makes no sense.
    #[error("{}: {reason}", shortened(.pattern, SHOWN))]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An object that should have the rows under a key, and does not.
    #[error("no rows under the key `{key}`, found {}", keys(.found))]
    NoRows {
        /// The key.
        key: String,
        /// The first keys that it has.
        found: Vec<String>,
    },
    /// A parquet file, and no reader for it.
    #[error("parquet files need the feature `parquet` of saffron-search")]
    NeedsParquet,
    /// Something else than a file, or a link that leads nowhere.
    #[error("expected a regular file, found {found}")]
    NotAFile {
        /// What is there.
        found: &'static str,
    },
    /// What Git leaves in place of a large file that was not fetched.
    #[error("a Git LFS pointer, not the file itself: fetch it with `git lfs pull`")]
    LfsPointer,
    /// The file would cost more than the [`DataLimits`](super::DataLimits) allow.
    #[error("{}{cap} than the {limit} allowed", before(.place.as_ref()))]
    TooLarge {
        /// Which limit.
        cap: Cap,
        /// How much is allowed.
        limit: u64,
        /// Where that showed, if it was while rows were read.
        place: Option<Place>,
    },
    /// The gzip stream is damaged or cut off.
    #[error("damaged gzip stream")]
    Gzip(#[source] io::Error),
    /// The parquet file is damaged, cut off or uses what the reader lacks.
    #[error("unreadable parquet")]
    Parquet(#[source] Box<dyn Error + Send + Sync>),
    /// Text in UTF-16.
    #[error("the text is UTF-16, expected UTF-8: convert it (`iconv -f UTF-16 -t UTF-8`)")]
    Utf16,
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
    #[error("{place}: {}", shortened(.reason, 4 * SHOWN))]
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
    #[error("{place}: no column `{column}` among {}{}", columns(.found), hint(.header))]
    MissingColumn {
        /// Where.
        place: Place,
        /// The column's name.
        column: String,
        /// The columns that the row has, by name.
        found: Vec<String>,
        /// Whether their names are the file's first row, which may have been meant as data.
        header: bool,
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
    #[error("{second}: id `{}` was already used in {first}", shortened(.id, SHOWN))]
    DuplicateId {
        /// The id.
        id: String,
        /// Where it came first.
        first: Place,
        /// Where it came again.
        second: Place,
    },
    /// A reply to a question that the file of questions lacks.
    #[error("{place}: there is no question `{}` among the {known} questions", shortened(.question, SHOWN))]
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

fn before(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!("{place}: "))
}

fn columns(found: &[String]) -> String {
    match found.len() {
        0 => String::from("none"),
        1 => format!("1 column: {}", quoted(found)),
        count => format!("{count} columns: {}", quoted(found)),
    }
}

fn keys(found: &[String]) -> String {
    if found.is_empty() { String::from("an empty object") } else { format!("the keys {}", quoted(found)) }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "thiserror gives references")]
fn hint(header: &bool) -> &'static str {
    if *header { "; the first row must name the columns, is the header missing?" } else { "" }
}

/// The first of some texts, in quotes.
pub(super) fn quoted(texts: &[String]) -> String {
    listed(texts.iter().map(|text| format!("{text:?}")))
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
