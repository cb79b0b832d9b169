//! Why a run cannot be begun, taken up again, written or merged.

use std::io;
use std::path::PathBuf;

use super::{Arm, Difference, Key, SecretError, Shard};
use crate::eval::files::FileError;

/// A run directory, or a record, that cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
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
    /// Another process works on the run, or this one does through another [`RunDir`](super::RunDir).
    #[error("{path} is held by another process that works on this run", path = .path.display())]
    Held {
        /// The lock file, or the records.
        path: PathBuf,
    },
    /// A run that another version wrote in another format.
    #[error("{path} has format version {found}, this version reads {expected}", path = .path.display())]
    FormatVersion {
        /// The manifest.
        path: PathBuf,
        /// The version that is written here.
        expected: u32,
        /// The version found.
        found: u64,
    },
    /// A manifest that is none.
    #[error("{path} is no manifest", path = .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// A directory without a run, or records of a run whose settings nobody knows.
    #[error("{path} is missing: its directory holds no run that could be taken up again", path = .path.display())]
    NoManifest {
        /// The manifest that is not there.
        path: PathBuf,
    },
    /// The run was begun with other settings.
    #[error("{path} is of a run with other settings: {difference}", path = .path.display())]
    OtherSettings {
        /// The manifest.
        path: PathBuf,
        /// The first difference.
        difference: Difference,
    },
    /// Something that looks like a secret would have been written.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A line that is no record, or one of another version.
    #[error("line {line} of {path} is no record that this version reads", path = .path.display())]
    Line {
        /// The file of records.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Two lines of one key.
    #[error("lines {first} and {line} of {path} are both of {key}", path = .path.display())]
    Duplicate {
        /// The file of records.
        path: PathBuf,
        /// The key.
        key: Key,
        /// The first line that has it, from 1.
        first: u64,
        /// The second.
        line: u64,
    },
    /// A record whose key has been written already.
    #[error("there is a record of {key} already")]
    AlreadyThere {
        /// The key.
        key: Key,
    },
    /// A record of a group that belongs to another shard.
    #[error("{key} is of group {group}, which shard {shard} does not own")]
    OtherShard {
        /// The record's key.
        key: Key,
        /// The record's group.
        group: usize,
        /// The shard.
        shard: Shard,
    },
    /// A number that JSON cannot hold.
    #[error("{field} of {key} is {value}, only finite numbers can be written")]
    NotFinite {
        /// The record's key.
        key: Key,
        /// Which number.
        field: String,
        /// The number.
        value: f64,
    },
    /// Something cannot be written as JSON.
    #[error("cannot write {what} as JSON")]
    Encode {
        /// What.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// A run that is to be finished lacks records.
    #[error("{missing} records are missing, the first of {key}")]
    Incomplete {
        /// How many.
        missing: usize,
        /// The first in order.
        key: Key,
    },
    /// A run has a record that its plan knows nothing of, or has in another place.
    #[error("the plan has no {key} in place {index} of group {group}")]
    Unplanned {
        /// The record's key.
        key: Key,
        /// The record's place among the prompts.
        index: usize,
        /// The record's group.
        group: usize,
    },
    /// A plan names something twice.
    #[error("the plan has {what} twice")]
    PlannedTwice {
        /// An arm or a prompt.
        what: String,
    },
    /// No run was given to be merged.
    #[error("there is nothing to merge: no directory was given")]
    NothingToMerge,
    /// Directories that cannot be shards of one run.
    #[error("{path} holds shard {found}, expected {expected}", path = .path.display())]
    MixedShards {
        /// The directory.
        path: PathBuf,
        /// What would have gone with the others.
        expected: String,
        /// What it holds.
        found: Shard,
    },
    /// Two shards have a record of one key.
    #[error("{first} and {second} both have a record of {key}", first = .first.display(), second = .second.display())]
    InTwoShards {
        /// The key.
        key: Key,
        /// One directory.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Shards that are all there, and yet lack records: one has not ended.
    #[error(
        "the shards have no record of {strategy} at {budget} for the prompt in place {place}: a shard has not ended"
    )]
    ShardNotEnded {
        /// The strategy.
        strategy: String,
        /// Its budget.
        budget: u64,
        /// The prompt's place among all prompts, from 0.
        place: usize,
    },
    /// A run that was put away with its records zipped.
    #[error("{path} is zipped: unzip it to go on with the run, or to merge it", path = .path.display())]
    Zipped {
        /// The file.
        path: PathBuf,
    },
    /// The directory to merge into has records already.
    #[error("{path} has {records} records already: merge into a directory without", path = .path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// How many records it has.
        records: usize,
    },
    /// What else can be wrong with a file.
    #[error(transparent)]
    File(FileError),
}

impl From<FileError> for RunError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { action, path, source } => Self::Io { action, path, source },
            FileError::Held { path } => Self::Held { path },
            FileError::Line { path, line, source } => Self::Line { path, line, source },
            FileError::Encode { source, .. } => Self::Encode { what: "a record", source },
            other => Self::File(other),
        }
    }
}

impl RunError {
    pub(super) fn planned_twice(arm: &Arm) -> Self {
        Self::PlannedTwice { what: format!("strategy {} at {}", arm.strategy, arm.budget) }
    }
}
