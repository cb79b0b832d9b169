//! Several models together, beside a limit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::MemoryEstimate;

/// What several models take together. Those of one checkpoint share its weights, which count once;
/// each has a cache of its own; one works at a time.
///
/// ```
/// use saffron_mrm::memory::{MemoryEstimate, MemoryPlan};
/// let estimate = MemoryEstimate { weights: 500, kv_per_token: 2, cache: 100, working: 30 };
/// let mut plan = MemoryPlan::default();
/// plan.add("models/smollm2", estimate);
/// plan.add("models/smollm2", estimate);
/// plan.add_adapter(70);
/// assert_eq!(plan.estimate().total(), 500 + 70 + 2 * 100 + 30);
/// assert!(plan.estimate().check(799).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    bases: BTreeMap<PathBuf, u64>,
    adapters: u64,
    kv_per_token: u64,
    caches: u64,
    working: u64,
}

impl MemoryPlan {
    /// Adds a model of the checkpoint at a path. Paths that lead to the same place are one.
    pub fn add(&mut self, path: impl AsRef<Path>, model: MemoryEstimate) {
        let path = path.as_ref();
        let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let weights = self.bases.entry(place).or_default();
        *weights = model.weights.max(*weights);
        self.kv_per_token = self.kv_per_token.saturating_add(model.kv_per_token);
        self.caches = self.caches.saturating_add(model.cache);
        self.working = self.working.max(model.working);
    }

    /// Adds what an [adapter](crate::checkpoint::AdapterFile::memory) brings to one of the models.
    pub fn add_adapter(&mut self, bytes: u64) {
        self.adapters = self.adapters.saturating_add(bytes);
    }

    /// Adds a cache beside those of the models' own estimates.
    pub fn add_cache(&mut self, bytes: u64) {
        self.caches = self.caches.saturating_add(bytes);
    }

    /// All models together.
    #[must_use]
    pub fn estimate(&self) -> MemoryEstimate {
        let weights = self.bases.values().copied().fold(self.adapters, u64::saturating_add);
        MemoryEstimate { weights, kv_per_token: self.kv_per_token, cache: self.caches, working: self.working }
    }
}
