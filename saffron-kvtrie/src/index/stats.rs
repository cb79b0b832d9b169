//! What a trie counts.

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
