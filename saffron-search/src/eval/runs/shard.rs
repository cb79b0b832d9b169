//! Parting a run over processes and machines.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of several equal parts of a run, counted from 0: `0/3`, `1/3`, `2/3`.
///
/// A shard owns whole groups of prompts. Prompts of a group run in one batch, and batching may change a result by float
/// noise; so what a prompt's neighbours are does not depend on how a run is parted.
///
/// ```
/// use saffron_search::eval::runs::Shard;
/// let shard: Shard = "1/3".parse()?;
/// assert_eq!((0..7).filter(|group| shard.owns(*group)).collect::<Vec<_>>(), [1, 4]);
/// assert_eq!("3/3".parse::<Shard>().unwrap_err().to_string(), "shard 3/3: expected an index from 0 to 2");
/// # Ok::<(), saffron_search::eval::runs::ShardError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Shard {
    of: usize,
    index: usize,
}

/// Text that names no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// Not of the form `index/of`.
    #[error("shard `{found}`: expected index/of, such as 0/4")]
    Form {
        /// The text given.
        found: String,
    },
    /// One of the two is no whole number.
    #[error("shard `{found}`: expected two whole numbers, such as 0/4")]
    Number {
        /// The text given.
        found: String,
        /// What is wrong with it.
        source: ParseIntError,
    },
    /// No shards at all.
    #[error("shard {index}/0: expected at least one shard")]
    None {
        /// The index given.
        index: usize,
    },
    /// An index beyond the last shard.
    #[error("shard {index}/{of}: expected an index from 0 to {last}", last = .of - 1)]
    Index {
        /// The index given.
        index: usize,
        /// The number of shards given.
        of: usize,
    },
}

impl Shard {
    /// The whole run, `0/1`.
    pub const WHOLE: Self = Self { of: 1, index: 0 };

    /// Shard `index` of `of`, counted from 0.
    ///
    /// # Errors
    ///
    /// No shards, or an index that is not below their number.
    pub fn new(index: usize, of: usize) -> Result<Self, ShardError> {
        match of {
            0 => Err(ShardError::None { index }),
            _ if index >= of => Err(ShardError::Index { index, of }),
            _ => Ok(Self { of, index }),
        }
    }

    /// Its place among the shards, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }

    /// Number of shards.
    #[must_use]
    pub fn of(self) -> usize {
        self.of
    }

    /// Whether the shard owns a group of prompts: every `of`-th from `index` on.
    #[must_use]
    pub fn owns(self, group: usize) -> bool {
        group % self.of == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, of) = text.split_once('/').ok_or_else(|| ShardError::Form { found: text.to_owned() })?;
        let number =
            |part: &str| part.parse::<usize>().map_err(|source| ShardError::Number { found: text.to_owned(), source });
        Self::new(number(index)?, number(of)?)
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}
