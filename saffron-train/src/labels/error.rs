//! Why a corpus cannot be labelled, or labels cannot be read.

use std::error::Error;
use std::path::PathBuf;

use saffron_core::{ModelError, Token, listed};
use saffron_search::eval::data::Cap;
use saffron_search::eval::files::FileError;
use saffron_search::eval::runs::{RunError, Shard};

/// Labels that cannot be made, written, read or merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The manifest, or the shards, of a run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file that cannot be read, written or held.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is nothing to label.
    #[error("the corpus has no replies")]
    EmptyCorpus,
    /// A limit that leaves no reply a token.
    #[error("max_tokens must be at least 2, a token of the prompt and one of the reply, found {found}")]
    Limit {
        /// The limit given.
        found: usize,
    },
    /// The manifest is of something else than labels.
    #[error("{path} is no manifest of token rewards", path = .path.display())]
    Settings {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with its settings.
        source: serde_json::Error,
    },
    /// Labels that another version wrote in another format.
    #[error("{path} holds token rewards of version {found}, this version reads {expected}", path = .path.display())]
    Version {
        /// The manifest or the file.
        path: PathBuf,
        /// The version that is written here.
        expected: u32,
        /// The version found.
        found: u32,
    },
    /// The replies could not be had.
    #[error("replies {first} to {last} cannot be had")]
    Corpus {
        /// Place of the first that was wanted.
        first: usize,
        /// Place of the last.
        last: usize,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another number of replies than was asked for.
    #[error("expected {expected} replies from place {first} on, found {found}")]
    Count {
        /// Place of the first.
        first: usize,
        /// How many were wanted.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// Token ids of another vocabulary than the run was begun with.
    #[error("the run is of a vocabulary of {expected}, the replies are of one of {found}")]
    Vocabulary {
        /// Number of ids by the manifest.
        expected: usize,
        /// Number of ids found.
        found: usize,
    },
    /// A prompt without tokens.
    #[error("the prompt of `{id}` is empty")]
    EmptyPrompt {
        /// The reply's id.
        id: String,
    },
    /// The model failed.
    #[error("the reward model failed at `{id}`, reply token {position}")]
    Model {
        /// The first reply of the batch that failed.
        id: String,
        /// The last token of its prefix, from 0.
        position: usize,
        /// Why.
        source: ModelError,
    },
    /// A reward that is no number, or not a finite one.
    #[error("the reward of `{id}` at reply token {position} is {value}, expected a finite number")]
    NotFinite {
        /// The reply's id.
        id: String,
        /// The reply's token, from 0.
        position: usize,
        /// The reward.
        value: f32,
    },
    /// A record with another number of rewards than of reply tokens.
    #[error("`{id}` has {rewards} rewards for {reply} reply tokens")]
    Lengths {
        /// The reply's id.
        id: String,
        /// Reply tokens.
        reply: usize,
        /// Rewards.
        rewards: usize,
    },
    /// A token id that the vocabulary does not have.
    #[error("token id {token} of `{id}` lies outside a vocabulary of {size}")]
    Token {
        /// The reply's id.
        id: String,
        /// The token id.
        token: Token,
        /// Number of ids.
        size: usize,
    },
    /// A record that does not stand where it must.
    #[error("line {line} of {path} is of place {found}, expected {expected}", path = .path.display())]
    Order {
        /// The file of records.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// The place that its record must have; `no record` after the last.
        expected: String,
        /// The place that it has.
        found: usize,
    },
    /// A run that is to be finished or merged has groups without labels.
    #[error("{path} has labels of {done} replies, {missing} are missing", path = .path.display())]
    Incomplete {
        /// The directory.
        path: PathBuf,
        /// Replies that are done.
        done: usize,
        /// Replies that are not.
        missing: usize,
    },
    /// Not all shards of a run were given to be merged.
    #[error("shards are missing: {}", listed(.missing))]
    MissingShards {
        /// The shards that were not given.
        missing: Vec<Shard>,
    },
    /// The directory to merge into has labels already.
    #[error("{path} has labels already: merge into a directory without", path = .path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A parquet file that cannot be read or written.
    #[error("{path} is no parquet file of token rewards that could be read or written", path = .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A parquet file, and a build that reads none.
    #[error("{path} is a parquet file: the feature `parquet` reads it", path = .path.display())]
    WithoutParquet {
        /// The file.
        path: PathBuf,
    },
    /// A parquet file that would cost more than is allowed.
    #[error("{path}: {cap} than the {limit} allowed", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Which limit.
        cap: Cap,
        /// How much is allowed.
        limit: u64,
    },
    /// A parquet file whose columns are not those of token rewards.
    #[error("column {column} of {path}: expected {expected}, found {found}", path = .path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it must be.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}
