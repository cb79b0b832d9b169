//! What the labels of a corpus depend on.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;

use saffron_search::eval::runs::{Manifest, RunError, Shard, groups};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LabelError;

/// The version of the formats that are written here.
pub const LABELS_VERSION: u32 = 1;

/// Settings of a run that labels a corpus. A run goes on only with the very same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelSettings {
    /// Version of the format, [`LABELS_VERSION`].
    pub labels_version: u32,
    /// Replies of the corpus, shards regardless.
    pub items: usize,
    /// Ids of the vocabulary that all token ids are of.
    pub vocab_size: usize,
    /// The most tokens of prompt and reply together.
    pub max_tokens: usize,
    /// Replies that are labelled together and written together. Shards own whole groups.
    pub group: NonZeroUsize,
    /// Prefixes a call of the reward model. Another number may change rewards by float noise.
    pub batch: NonZeroUsize,
    /// What else the labels depend on: the reward model and its template, where replies come from, a seed.
    pub origin: Value,
}

impl LabelSettings {
    /// Settings for `items` replies of a vocabulary of `vocab_size` ids: 128 tokens a conversation (Saffron paper, Appendix A.1), groups of
    /// 16 replies, 64 prefixes a call.
    #[must_use]
    pub fn new(items: usize, vocab_size: usize) -> Self {
        let size = |size| NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN);
        let (group, batch) = (size(16), size(64));
        Self { labels_version: LABELS_VERSION, items, vocab_size, max_tokens: 128, group, batch, origin: Value::Null }
    }

    /// The manifest of a shard of a run with these settings. Fingerprints are the caller's to add.
    ///
    /// # Errors
    ///
    /// No replies, a limit that leaves them no token.
    pub fn manifest(&self, shard: Shard) -> Result<Manifest, LabelError> {
        if self.items == 0 {
            return Err(LabelError::EmptyCorpus);
        }
        if self.max_tokens < 2 {
            return Err(LabelError::Limit { found: self.max_tokens });
        }
        let failed = |source| RunError::Encode { what: "the settings", source };
        Ok(Manifest::new(serde_json::to_value(self).map_err(failed)?, shard))
    }

    /// The settings in a manifest, which stands in the file `path`.
    pub(super) fn of(manifest: &Manifest, path: &Path) -> Result<Self, LabelError> {
        let version = manifest.settings.get("labels_version").and_then(Value::as_u64);
        match version.and_then(|version| u32::try_from(version).ok()) {
            Some(found) if found != LABELS_VERSION => {
                Err(LabelError::Version { path: path.to_owned(), expected: LABELS_VERSION, found })
            }
            _ => serde_json::from_value(manifest.settings.clone())
                .map_err(|source| LabelError::Settings { path: path.to_owned(), source }),
        }
    }

    /// The groups of a shard: the number of each, and the places of its replies.
    pub fn groups(&self, shard: Shard) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        groups(self.items, self.group).enumerate().filter(move |(group, _)| shard.owns(*group))
    }

    /// Number of replies of a shard.
    #[must_use]
    pub fn share(&self, shard: Shard) -> usize {
        let (size, groups) = (self.group.get(), self.items.div_ceil(self.group.get()));
        let owned = groups.saturating_sub(shard.index()).div_ceil(shard.of());
        let last = groups.checked_sub(1).is_some_and(|last| shard.owns(last));
        let short = if last { groups.saturating_mul(size) - self.items } else { 0 };
        owned.saturating_mul(size) - short
    }

    /// Places of all replies of a shard, in the order of its file.
    pub(super) fn places(&self, shard: Shard) -> impl Iterator<Item = usize> + use<> {
        self.groups(shard).flat_map(|(_, places)| places)
    }
}
