//! A file that is being read, and what kind of file it is.

mod sniff;
mod stream;
mod text;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::left_out::LeftOutCounts;
use super::{Cap, DataErrorKind, DataLimits, Origin, Place};
use crate::json::Meter;
use crate::regular::{NotOpened, opened};
use stream::Stream;
pub(crate) use stream::carried;
pub(crate) use text::Text;

/// How a file keeps its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    JsonLines,
    Json,
    Csv,
    Tsv,
    Text,
    Parquet,
}

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) container: Container,
    pub(crate) limits: DataLimits,
    stream: RefCell<Stream>,
    /// Bytes of text that were read since the last row ended.
    since: Cell<u64>,
    /// The last byte of text that was read.
    last: Cell<Option<u8>>,
    /// Bytes of memory that the rows take which are kept.
    kept: Cell<u64>,
    /// What is left out of the rows.
    pub(crate) left_out: LeftOutCounts,
}

impl Source {
    pub(crate) fn open(path: &Path, limits: DataLimits) -> Result<Self, DataErrorKind> {
        let (container, zipped) = container(path)?;
        let mut file = opened(path)?;
        sniff::refuse_pointer(&mut file)?;
        let length = file.metadata().map_err(DataErrorKind::Io)?.len();
        if length > limits.bytes {
            return Err(DataErrorKind::TooLarge { cap: Cap::Stored, limit: limits.bytes, place: None });
        }
        let stream = RefCell::new(Stream::new(file, zipped, limits.bytes));
        let (since, last, kept) = (Cell::new(0), Cell::new(None), Cell::new(0));
        Ok(Self {
            path: path.to_owned(),
            container,
            limits,
            stream,
            since,
            last,
            kept,
            left_out: LeftOutCounts::default(),
        })
    }

    /// Where the rows came from. Reads what is left of the file for its checksum.
    pub(crate) fn origin(self) -> Result<Origin, DataErrorKind> {
        let crc32 = self.stream.into_inner().checksum()?;
        Ok(Origin { path: self.path, crc32 })
    }

    /// The file as text, without a byte order mark.
    pub(crate) fn text(&self) -> Text<'_> {
        Text::new(self)
    }

    /// The file itself, for readers that go to and fro.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "parquet alone does"))]
    pub(crate) fn file(&self) -> Result<File, DataErrorKind> {
        self.stream.borrow().file().try_clone().map_err(DataErrorKind::Io)
    }

    /// Says that a row has been read.
    pub(crate) fn row_ended(&self) {
        self.since.set(0);
    }

    /// Refuses the row, or line, behind so many.
    pub(crate) fn check_rows(&self, before: usize, place: Place) -> Result<(), DataErrorKind> {
        match before as u64 >= self.limits.rows {
            true => Err(self.too_large(Cap::Rows, self.limits.rows, place)),
            false => Ok(()),
        }
    }

    /// What the row may take that is being read.
    pub(crate) fn meter(&self) -> Meter {
        Meter::new(self.limits.decoded.saturating_sub(self.kept.get()))
    }

    /// Counts a row that is kept.
    pub(crate) fn keep(&self, bytes: u64, place: Place) -> Result<(), DataErrorKind> {
        self.kept.set(self.kept.get().saturating_add(bytes));
        match self.kept.get() > self.limits.decoded {
            true => Err(self.spent(place)),
            false => Ok(()),
        }
    }

    /// What is wrong where a meter is spent.
    pub(crate) fn spent(&self, place: Place) -> DataErrorKind {
        self.too_large(Cap::Decoded, self.limits.decoded, place)
    }

    /// Whether the last byte of text that was read ends a line.
    pub(crate) fn ends_a_line(&self) -> bool {
        matches!(self.last.get(), Some(b'\n' | b'\r'))
    }

    /// What is wrong with a file whose rows make no sense: where it is zipped and the stream is
    /// damaged, that it is damaged.
    pub(crate) fn cause(&self, found: DataErrorKind) -> DataErrorKind {
        self.stream.borrow_mut().damage().unwrap_or(found)
    }

    fn too_large(&self, cap: Cap, limit: u64, place: Place) -> DataErrorKind {
        DataErrorKind::TooLarge { cap, limit, place: Some(place) }
    }
}

impl From<NotOpened> for DataErrorKind {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::Io(error) => Self::Io(error),
            NotOpened::NotAFile(found) => Self::NotAFile { found },
        }
    }
}

/// What the name says: the container, and whether it is zipped.
fn container(path: &Path) -> Result<(Container, bool), DataErrorKind> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let (name, zipped) = match name.strip_suffix(".gz") {
        Some(inner) => (inner, true),
        None => (name.as_str(), false),
    };
    let container = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("jsonl" | "ndjson") => Container::JsonLines,
        Some("json") => Container::Json,
        Some("csv") => Container::Csv,
        Some("tsv") => Container::Tsv,
        Some("txt") => Container::Text,
        Some("parquet") if !zipped => Container::Parquet,
        _ => return Err(DataErrorKind::UnknownExtension),
    };
    Ok((container, zipped))
}
