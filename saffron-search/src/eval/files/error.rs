//! Why a file cannot be read, written or held.

use std::io;
use std::path::{Path, PathBuf};

/// A file that cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused: no such directory, no right, no room.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why it could not be done.
        source: io::Error,
    },
    /// Another process holds the file, or this one does through another [`Lock`](super::Lock) or
    /// [`Claim`](super::Claim).
    #[error("{path} is held by another process", path = .path.display())]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// A file that was removed or replaced while it was written: what is written to it would be
    /// lost.
    #[error("{path} was removed or replaced while this process wrote it: nothing more is written", path = .path.display())]
    Replaced {
        /// Where it was.
        path: PathBuf,
    },
    /// A line that is no record, or one of another version.
    #[error("line {line} of {path} is no record that this version reads: {source}", path = .path.display())]
    Line {
        /// The journal.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Two lines of one key.
    #[error("lines {first} and {line} of {path} are both of {key}", path = .path.display())]
    Duplicate {
        /// The journal.
        path: PathBuf,
        /// The key.
        key: String,
        /// The first line that has it, from 1.
        first: u64,
        /// The second.
        line: u64,
    },
    /// A record that JSON cannot hold, or that would not read back: a number that is not finite, say.
    #[error("a record for {path} cannot be written as JSON that reads back: {source}", path = .path.display())]
    Encode {
        /// The journal.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

impl FileError {
    /// Wraps what the operating system said.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
