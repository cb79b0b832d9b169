//! A file of records that only grows.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::slice;

use flate2::read::MultiGzDecoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lines::{encode, walk};
use super::{Claim, FileError, MAX_FILE, MAX_LINE, Span, open_regular};

/// Records of one type, one JSON line each. A record that has been appended has reached the disk;
/// one whose writing was cut short, by a kill or a full disk, is in the file neither in part nor
/// whole. Whoever keeps a journal open is the only one to write it: it holds a [`Claim`] to its
/// file.
///
/// ```
/// use saffron_search::eval::files::Journal;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("metrics.jsonl");
/// let mut journal = Journal::<(u64, f64)>::open(&path)?;
/// journal.append(&(1, 0.5))?;
/// journal.append(&(2, 0.25))?;
/// journal.truncate(1)?;
/// assert_eq!(Journal::<(u64, f64)>::read(&path)?, [(1, 0.5)]);
/// assert!(journal.append(&(2, f64::NAN)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Journal<T> {
    claim: Claim,
    spans: Vec<Span>,
    cut_off: u64,
    /// Whether there may be bytes after the last record.
    torn: bool,
    record: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens a journal, or makes an empty one. A torn last line is cut off; one that ends whole but
    /// is no record was not torn, and is refused as any other.
    ///
    /// # Errors
    ///
    /// A journal that is open elsewhere, a line that is no record, a file that cannot be opened or
    /// read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        Self::open_with(path, |_, _| Ok(()))
    }

    /// Opens a journal in which no two records may have one key. Appended records are not compared with it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and a key that is there twice.
    pub fn open_keyed<K: Ord + Display>(path: impl Into<PathBuf>, key: impl Fn(&T) -> K) -> Result<Self, FileError> {
        let path = path.into();
        let mut lines = BTreeMap::new();
        Self::open_with(path.clone(), |record, span| {
            let key = key(&record);
            match lines.get(&key) {
                Some(first) => {
                    let (path, key, first) = (path.clone(), key.to_string(), *first);
                    Err(FileError::Duplicate { path, key, first, line: span.line })
                }
                None => {
                    lines.insert(key, span.line);
                    Ok(())
                }
            }
        })
    }

    /// Opens a journal and shows each of its records, in order, to whoever may refuse it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and what `each` says.
    pub(crate) fn open_with<E: From<FileError>>(
        path: impl Into<PathBuf>,
        each: impl FnMut(T, Span) -> Result<(), E>,
    ) -> Result<Self, E> {
        Self::open_claimed(Claim::take(path)?, each)
    }

    /// Opens a journal whose file has been claimed and shows each of its records, in order, to
    /// whoever may refuse it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and what `each` says.
    pub fn open_claimed<E: From<FileError>>(
        claim: Claim,
        mut each: impl FnMut(T, Span) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut spans = Vec::new();
        let cut_off = walk(&claim.path, &claim.file, |record, span| {
            spans.push(span);
            each(record, span)
        })?;
        let mut journal = Self { claim, spans, cut_off, torn: cut_off > 0, record: PhantomData };
        journal.settle("cut off the torn last line of")?;
        Ok(journal)
    }

    /// The records of a file in order, without opening it for writing. A last line that is being written is left out.
    ///
    /// # Errors
    ///
    /// A line that is no record, a file that cannot be read.
    pub fn read(path: &Path) -> Result<Vec<T>, FileError> {
        collect(path, open_regular(path)?)
    }

    /// The records of a gzipped file in order, as a journal that was put away.
    ///
    /// # Errors
    ///
    /// A line that is no record, a file that cannot be read or unzipped, or has more than 2 GiB
    /// then.
    pub fn read_gzipped(path: &Path) -> Result<Vec<T>, FileError> {
        collect(path, Capped { source: MultiGzDecoder::new(open_regular(path)?), left: MAX_FILE })
            .map_err(|error| error.too_large(path))
    }

    /// Shows the records of a file to `each`, in order, and keeps none. Otherwise as [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and what `each` says.
    pub fn walk<E: From<FileError>>(path: &Path, each: impl FnMut(T, Span) -> Result<(), E>) -> Result<(), E> {
        walk(path, open_regular(path)?, each).map(drop)
    }

    /// All records in order, as they read back.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or has been changed by somebody else.
    pub fn records(&self) -> Result<Vec<T>, FileError> {
        collect(self.path(), open_regular(self.path())?.take(self.end()))
    }

    /// Writes a record, and says where it stands. When this returns, the record has reached the disk.
    ///
    /// # Errors
    ///
    /// A record that would not read back, a file that was removed or replaced, a failed write.
    /// After an error nothing of the record is in the file, or will be once the journal is opened
    /// again.
    pub fn append(&mut self, record: &T) -> Result<Span, FileError> {
        self.append_all(slice::from_ref(record))?;
        Ok(self.last())
    }

    /// Writes several records at once. A kill may leave the first of them without the others.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn append_all(&mut self, records: &[T]) -> Result<(), FileError> {
        let (mut bytes, mut spans, mut last) = (Vec::new(), Vec::with_capacity(records.len()), self.last());
        for record in records {
            let line = encode(record).map_err(|source| FileError::Encode { path: self.path().to_owned(), source })?;
            last = last.next(line.len());
            if last.length > MAX_LINE {
                return Err(FileError::LongLine { path: self.path().to_owned(), line: last.line, limit: MAX_LINE });
            }
            spans.push(last);
            bytes.extend(line);
        }
        self.claim.check_in_place()?;
        self.write(&bytes).map_err(FileError::io("write", &self.claim.path))?;
        self.spans.extend(spans);
        Ok(())
    }

    /// Keeps the first records and drops all others. Changes nothing where there are no others.
    ///
    /// # Errors
    ///
    /// A file that cannot be cut.
    pub fn truncate(&mut self, records: usize) -> Result<(), FileError> {
        self.torn |= records < self.len();
        self.spans.truncate(records);
        self.settle("cut")
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of a torn last line that were cut off when the journal was opened.
    #[must_use]
    pub fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.claim.path
    }

    /// Refuses to go on when the file was removed or replaced.
    ///
    /// # Errors
    ///
    /// [`FileError::Replaced`].
    pub(crate) fn check_in_place(&self) -> Result<(), FileError> {
        self.claim.check_in_place()
    }

    fn last(&self) -> Span {
        self.spans.last().copied().unwrap_or_default()
    }

    /// The first byte after the last record.
    fn end(&self) -> u64 {
        self.last().end()
    }

    /// One write of whole lines, which is taken back when it fails.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.take_back()?;
        }
        let written = self.claim.file.write_all(lines).and_then(|()| self.claim.file.sync_data());
        if written.is_err() {
            self.torn = true;
            let _ = self.take_back(); // Tried again before the next write, and when the journal is opened.
        }
        written
    }

    /// Cuts the file after its last record, if there may be something, and has that reach the disk.
    fn settle(&mut self, action: &'static str) -> Result<(), FileError> {
        if !self.torn {
            return Ok(());
        }
        self.take_back().and_then(|()| self.claim.file.sync_all()).map_err(FileError::io(action, &self.claim.path))
    }

    /// Cuts the file after its last record.
    fn take_back(&mut self) -> io::Result<()> {
        self.claim.file.set_len(self.end())?;
        self.torn = false;
        Ok(())
    }
}

/// A stream that fails behind so many bytes.
struct Capped<R> {
    source: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

fn collect<T: DeserializeOwned>(path: &Path, source: impl Read) -> Result<Vec<T>, FileError> {
    let mut records = Vec::new();
    walk(path, source, |record, _| {
        records.push(record);
        Ok::<(), FileError>(())
    })?;
    Ok(records)
}
