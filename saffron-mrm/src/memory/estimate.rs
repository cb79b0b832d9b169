//! What a model takes in memory, and the refusal of what is beyond a limit.

/// Bytes that a model takes in memory. An upper bound for weights and cache, an estimate for the
/// working set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The weights as they will be held.
    pub weights: u64,
    /// Keys and values of one token.
    pub kv_per_token: u64,
    /// The cache when it is full: its budget.
    pub cache: u64,
    /// The larger of what loading and what a forward pass needs for a while, and a constant for the
    /// process.
    pub working: u64,
}

impl MemoryEstimate {
    /// All of it: weights, cache and working set.
    ///
    /// ```
    /// use saffron_mrm::memory::MemoryEstimate;
    /// let estimate = MemoryEstimate { weights: 500, kv_per_token: 2, cache: 100, working: 30 };
    /// assert_eq!(estimate.total(), 630);
    /// ```
    #[must_use]
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.cache).saturating_add(self.working)
    }

    /// Refuses what is beyond a limit in bytes.
    ///
    /// # Errors
    ///
    /// A [total](Self::total) beyond the limit.
    pub fn check(&self, limit: u64) -> Result<(), MemoryError> {
        if self.total() <= limit { Ok(()) } else { Err(MemoryError { limit, needed: *self }) }
    }
}

/// Models that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected at most {} MB of memory, found {} MB: weights {} MB, caches {} MB, working set {} MB",
    limit >> 20, megabytes(needed.total()), megabytes(needed.weights), megabytes(needed.cache), megabytes(needed.working)
)]
pub struct MemoryError {
    /// Bytes that there are.
    pub limit: u64,
    /// Bytes that are needed.
    pub needed: MemoryEstimate,
}

/// Megabytes, rounded up.
fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
