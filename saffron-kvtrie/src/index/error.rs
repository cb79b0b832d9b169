//! Why the cache refuses.

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
    /// The host has no memory for what the cache would hold.
    #[error("no memory for another {bytes} bytes of the cache")]
    Memory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// A reservation is open: its rows must not move.
    #[error("{open} reservations are open; rows can only be moved when there is none")]
    ReservationsOpen {
        /// How many.
        open: usize,
    },
    /// A capacity that does not hold what has to stay.
    #[error("a capacity of {capacity} tokens does not hold the {kept} that have to stay, {pinned} of them pinned")]
    CapacityTooSmall {
        /// Tokens asked for.
        capacity: usize,
        /// Tokens that are pinned or that the policy does not give up.
        kept: usize,
        /// Tokens that are pinned.
        pinned: usize,
    },
    /// A capacity that slot numbers do not reach.
    #[error("a capacity of {capacity} tokens is above the most there can be, {most}")]
    CapacityTooLarge {
        /// Tokens asked for.
        capacity: u32,
        /// The most.
        most: u32,
    },
    /// A slot above a new capacity holds a token.
    #[error("slot {slot} is in use; a capacity of {capacity} ends below it")]
    SlotInUse {
        /// The highest slot in use.
        slot: u32,
        /// Tokens asked for.
        capacity: usize,
    },
}
