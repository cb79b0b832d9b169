//! The token index: integers only. A node is a run of tokens whose slots are one extent, so splitting it is arithmetic.

mod alloc;
mod nodes;

pub use alloc::{Extent, SlotAllocator};
pub use nodes::{Index, NodeRef, StoredRun};

/// The cache cannot do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// All slots within the budget are in use by sequences that are pinned.
    #[error(
        "the KV cache is out of budget: {need} slots needed, {free} free, {evictable} evictable, {pinned} pinned of {capacity}"
    )]
    OutOfBudget {
        /// Slots asked for.
        need: usize,
        /// Slots free.
        free: usize,
        /// Slots that eviction could free.
        evictable: usize,
        /// Slots in use by pinned sequences and open reservations.
        pinned: usize,
        /// Slots in all, the null slot excluded.
        capacity: usize,
    },
    /// A reference to something that was evicted.
    #[error("stale handle: node {index} has generation {found}, the handle {expected}")]
    Stale {
        /// Place in the arena.
        index: u32,
        /// The handle's generation.
        expected: u32,
        /// The node's.
        found: u32,
    },
    /// A handle of another trie.
    #[error("the handle belongs to another trie")]
    Foreign,
    /// A pin that was never set cannot be taken off.
    #[error("node {index} is not pinned")]
    NotPinned {
        /// Place in the arena.
        index: u32,
    },
    /// A run whose slots are not as many as its tokens.
    #[error("{tokens} tokens cannot be stored in {slots} slots")]
    SlotCount {
        /// Tokens to store.
        tokens: usize,
        /// Slots given for them.
        slots: usize,
    },
    /// NaN has no place in an order.
    #[error("a score must be a number, found NaN")]
    ScoreIsNan,
    /// An empty context has no row to compute and no logits.
    #[error("context {place} of the batch is empty")]
    EmptyContext {
        /// Place in the batch.
        place: usize,
    },
    /// A budget that does not hold a single token.
    #[error("a cache budget of {budget} bytes does not hold one token of {per_token} bytes")]
    BudgetTooSmall {
        /// Bytes given.
        budget: u64,
        /// Bytes a token takes in all layers.
        per_token: u64,
    },
}

/// Counts since the trie was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrieStats {
    /// Tokens of all contexts that were asked for.
    pub tokens_asked: u64,
    /// Of these, found in the trie.
    pub tokens_hit: u64,
    /// Of these, computed once for several contexts of a batch.
    pub tokens_shared: u64,
    /// Rows that had to be computed.
    pub tokens_computed: u64,
    /// Nodes split because a context left a run midway.
    pub splits: u64,
    /// Tokens evicted to make room.
    pub tokens_evicted: u64,
    /// Tokens now stored.
    pub live: usize,
    /// Of these, on the path of a live handle.
    pub pinned: usize,
    /// Of the stored tokens, those that eviction could free.
    pub evictable: usize,
    /// Runs that are stored.
    pub nodes: usize,
    /// Runs that were evicted whole.
    pub nodes_evicted: u64,
    /// Slots that nothing uses.
    pub free: usize,
    /// Of these, the longest contiguous run: small beside `free` means fragmentation.
    pub largest_free: usize,
    /// Slots held by open reservations.
    pub pending: usize,
    /// Largest number of slots ever in use at once.
    pub high_water: usize,
}

impl TrieStats {
    /// How many times less was computed than without any sharing: the lengths of all contexts over the distinct prefixes among them that
    /// had to be computed (Saffron paper, Proposition 2). One where nothing was asked for.
    #[must_use]
    pub fn saving(&self) -> f64 {
        if self.tokens_computed == 0 { 1.0 } else { self.tokens_asked as f64 / self.tokens_computed as f64 }
    }
}
