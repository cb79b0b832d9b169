//! Why a file cannot be read, written or held.

use std::io;
use std::path::{Path, PathBuf};

/// A file that cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused: no such directory, no right, no room.
    #[error("cannot {action} {path}", path = .path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why it could not be done.
        source: io::Error,
    },
    /// Something else than a file, or a link that leads nowhere.
    #[error("{path}: expected a regular file, found {found}", path = .path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// A file larger than is read.
    #[error("{path} has more than the {limit} bytes allowed", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes allowed, unzipped.
        limit: u64,
    },
    /// A line longer than is read.
    #[error("line {line} of {path} has more than the {limit} bytes allowed", path = .path.display())]
    LongLine {
        /// The journal.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// Bytes allowed.
        limit: u64,
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
    #[error("line {line} of {path} is no record that this version reads", path = .path.display())]
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
    #[error("a record for {path} cannot be written as JSON that reads back", path = .path.display())]
    Encode {
        /// The journal.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

impl FileError {
    /// The error of a file that was found to be larger than is read.
    pub(super) fn too_large(self, path: &Path) -> Self {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge => {
                Self::TooLarge { path: path.to_owned(), limit: super::MAX_FILE }
            }
            other => other,
        }
    }

    /// Wraps what the operating system said.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
