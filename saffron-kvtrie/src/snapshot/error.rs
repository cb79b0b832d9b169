//! Why a snapshot is refused.

use crate::store::StoreError;

/// A snapshot that cannot be written or is not to be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Reading or writing failed; a file that is cut short fails so.
    #[error("snapshot {path}: cannot be read or written")]
    Io {
        /// The file.
        path: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A field that is not what it must be here.
    #[error("snapshot {path}: {field} is {found}, expected {expected}")]
    Mismatch {
        /// The file.
        path: String,
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// An element type without a place in the format, or a fingerprint that is too long.
    #[error("a snapshot does not hold {what}")]
    Unsupported {
        /// What was asked for.
        what: String,
    },
    /// The store did not give or take rows.
    #[error("rows cannot be moved")]
    Store(#[from] StoreError),
}
