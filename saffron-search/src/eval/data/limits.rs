//! What a data file may cost.

use std::fmt;

/// The most bytes of a file, as it lies on the disk and unzipped: 2 GiB.
pub const MAX_BYTES: u64 = 2 << 30;

/// The most that is read of a data file. Files are not trusted: a few bytes may stand for many
/// rows, and a few rows for many bytes.
///
/// Memory stays within about twice `decoded` and twenty times `row`, for any file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataLimits {
    /// Bytes of the file, as it lies on the disk and unzipped.
    pub bytes: u64,
    /// Bytes of one row of a text file.
    pub row: u64,
    /// Rows, or lines, that are read. What is not read because enough was chosen does not count.
    pub rows: u64,
    /// Bytes of memory that the rows take which are kept, and the one that is being read.
    pub decoded: u64,
}

impl Default for DataLimits {
    /// 2 GiB a file ([`MAX_BYTES`]), 16 MiB a row, 10 million rows, 1 GiB of memory.
    fn default() -> Self {
        Self { bytes: MAX_BYTES, row: 16 << 20, rows: 10_000_000, decoded: 1 << 30 }
    }
}

/// Which of the [`DataLimits`] a file goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cap {
    /// [`DataLimits::bytes`], as the file lies on the disk.
    Stored,
    /// [`DataLimits::bytes`], unzipped.
    Unzipped,
    /// [`DataLimits::row`].
    Row,
    /// [`DataLimits::rows`].
    Rows,
    /// [`DataLimits::decoded`].
    Decoded,
    /// A parquet file's footer: at most 16 MiB.
    Footer,
    /// A page of a parquet file: at most a quarter of [`DataLimits::decoded`], unzipped.
    Page,
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "the file has more bytes",
            Self::Unzipped => "the file has more bytes, unzipped,",
            Self::Row => "the row has more bytes",
            Self::Rows => "the file has more rows",
            Self::Decoded => "the rows take more bytes of memory",
            Self::Footer => "the footer has more bytes",
            Self::Page => "a page has more bytes, unzipped,",
        })
    }
}
