//! Items with where they came from, and choosing some of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::sample_to_front;
use serde::{Deserialize, Serialize};

use super::{DataErrorKind, Item, LeftOut, Pair, Place};

/// The file that data came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Its path, as it was given.
    pub path: PathBuf,
    /// CRC-32 of its bytes as they lie on the disk: tells whether two runs saw the same file, nothing about who wrote it.
    pub crc32: u32,
}

/// The items of one file, in the file's order unless they were sampled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// The items; their ids are unique.
    pub items: Vec<Item>,
    /// The file.
    pub origin: Origin,
    /// What the reader left out because the format says so.
    #[serde(default, skip_serializing_if = "LeftOut::is_nothing")]
    pub left_out: LeftOut,
}

/// The preference pairs of one file, in the file's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairs {
    /// The pairs; their ids are unique.
    pub pairs: Vec<Pair>,
    /// The file.
    pub origin: Origin,
    /// What the reader left out because the format says so.
    #[serde(default, skip_serializing_if = "LeftOut::is_nothing")]
    pub left_out: LeftOut,
}

impl Dataset {
    /// The first `n` items, or all when there are fewer.
    #[must_use]
    pub fn take(mut self, n: usize) -> Self {
        self.items.truncate(n);
        self
    }

    /// All but the first `n` items.
    #[must_use]
    pub fn skip(mut self, n: usize) -> Self {
        self.items.drain(..n.min(self.items.len()));
        self
    }

    /// `n` items drawn without replacement, or all when there are fewer, in the order of drawing. Depends on nothing but the items'
    /// order and the seed; a smaller sample is the beginning of a larger one.
    #[must_use]
    pub fn sample(mut self, n: usize, seed: u64) -> Self {
        sample_to_front(&mut ChaCha8Rng::seed_from_u64(seed), &mut self.items, n);
        self.take(n)
    }

    /// The items of one share, parted by prompt: two different shares of `of` have no prompt in common, and together they are the whole. Where a
    /// prompt falls depends on its text alone.
    ///
    /// ```
    /// use saffron_search::eval::data::{Format, Share, read};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("asked.jsonl");
    /// std::fs::write(&path, (0..8).map(|n| format!("{{\"prompt\": \"question {n}\"}}\n")).collect::<String>())?;
    /// let data = read(&path, &Format::Prompts)?;
    /// let [even, odd] = [0, 1].map(|take| data.clone().share(Share { take, of: 2 }).items);
    /// assert!(!even.is_empty() && !odd.is_empty() && even.len() + odd.len() == 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn share(mut self, share: Share) -> Self {
        self.items.retain(|item| share.has(&item.prompt));
        self
    }

    /// The items of some groups: those whose group, or category where they have no group, has one of these names, or lies within one (`topic / subtopic` within `topic`).
    #[must_use]
    pub fn of_groups(mut self, names: &[String]) -> Self {
        self.items.retain(|item| item.is_of_groups(names));
        self
    }
}

/// A part of data by prompt: share `take`, counted from 0, of `of` shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Numbers")]
pub struct Share {
    /// Which.
    pub take: u32,
    /// Of how many.
    pub of: u32,
}

/// A share as it is read, before anything is believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    take: u32,
    of: u32,
}

impl TryFrom<Numbers> for Share {
    type Error = String;

    fn try_from(Numbers { take, of }: Numbers) -> Result<Self, String> {
        if take < of {
            Ok(Self { take, of })
        } else {
            Err(format!("a share: expected take below of, found {take} and {of}"))
        }
    }
}

impl Share {
    /// Whether a prompt belongs to it, by the CRC-32 of its text.
    #[must_use]
    pub fn has(self, prompt: &str) -> bool {
        self.of > 0 && crc32fast::hash(prompt.as_bytes()) % self.of == self.take
    }
}

/// The rows without their places: no id twice.
pub(super) fn checked<T>(rows: Vec<(T, Place)>, id: fn(&T) -> &str) -> Result<Vec<T>, DataErrorKind> {
    let mut seen = BTreeMap::new();
    for (row, second) in &rows {
        if let Some(first) = seen.insert(id(row), *second) {
            return Err(DataErrorKind::DuplicateId { id: id(row).to_owned(), first, second: *second });
        }
    }
    Ok(rows.into_iter().map(|(row, _)| row).collect())
}
