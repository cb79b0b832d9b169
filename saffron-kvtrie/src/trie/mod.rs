//! The trie: index, slots and handles together. Still no tensors.

mod commit;
mod reserve;
mod resize;

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use crate::evict::{EvictionPolicy, Lru};
use crate::handle::{Match, Seq};
use crate::inbox::Inbox;
use crate::index::{CacheError, Extent, Index, MOST_SLOTS, NodeRef, SlotAllocator, StoredRun, TrieStats};
use crate::reserve::Reservation;
use crate::sync::Arc;

/// A token trie over a number of slots. Full, it forgets what its policy names: by default the leaf whose last use lies furthest back.
///
/// Two-phase writes: [`reserve`](Self::reserve) gives rows and slots, the caller computes them, [`commit`](Self::commit) makes them
/// visible. See the [crate documentation](crate) for an example; [`KvTrie`](crate::KvTrie) is a trie with the rows themselves.
pub struct Trie<E: EvictionPolicy = Lru, H = FxBuildHasher> {
    index: Index<E, H>,
    slots: SlotAllocator,
    inbox: Arc<Inbox>,
    /// Open reservations, and the slots that they hold.
    open: usize,
    pending: usize,
    stats: TrieStats,
}

impl<E: EvictionPolicy, H> std::fmt::Debug for Trie<E, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (slots, open, pending) = (&self.slots, &self.open, &self.pending);
        let mut trie = f.debug_struct("Trie");
        trie.field("slots", slots).field("open", open).field("pending", pending).finish_non_exhaustive()
    }
}

impl Trie {
    /// An empty trie with room for `capacity` tokens.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        Self::with_policy(capacity, Lru::default())
    }
}

impl<E: EvictionPolicy, H: BuildHasher + Default> Trie<E, H> {
    /// An empty trie with room for `capacity` tokens, of which `policy` chooses what is forgotten.
    #[must_use]
    pub fn with_policy(capacity: u32, policy: E) -> Self {
        let capacity = capacity.min(MOST_SLOTS);
        Self {
            index: Index::new(policy),
            slots: SlotAllocator::new(capacity),
            inbox: Arc::new(Inbox::new()),
            open: 0,
            pending: 0,
            stats: TrieStats::default(),
        }
    }

    /// How many of the tokens, from the first on, are stored; these count as just used.
    pub fn stored(&mut self, tokens: &[u32]) -> usize {
        self.settle();
        self.index.match_prefix(tokens).1
    }

    /// Forgets up to `tokens` tokens, what the policy names first; says how many.
    pub fn evict(&mut self, tokens: usize) -> usize {
        self.settle();
        let evicted = self.index.evict(tokens, &mut self.slots);
        self.stats.tokens_evicted += evicted as u64;
        evicted
    }

    /// Forgets everything that no handle holds and the policy gives up, in one go; says how many tokens.
    pub fn clear(&mut self) -> usize {
        self.evict(usize::MAX)
    }

    /// The empty sequence, held: what every context comes after.
    pub fn root(&mut self) -> Seq {
        self.settle();
        self.handle(self.index.root())
    }

    /// The longest stored prefix of the tokens, held.
    pub fn match_prefix(&mut self, tokens: &[u32]) -> Match {
        self.settle();
        let (node, matched) = self.index.match_prefix(tokens);
        Match { seq: self.handle(node), matched }
    }

    /// The first `len` tokens of a handle as a handle of its own. Costs the runs that are left out.
    ///
    /// # Errors
    ///
    /// A handle of another trie.
    pub fn truncate(&mut self, seq: &Seq, len: usize) -> Result<Seq, CacheError> {
        self.settle();
        let node = self.index.prefix(self.node_of(seq)?, len)?;
        Ok(self.handle(node))
    }

    /// Says what a sequence is worth, for policies that go by it: the reward of a search, say.
    ///
    /// # Errors
    ///
    /// A handle of another trie; NaN.
    pub fn set_score(&mut self, seq: &Seq, score: f32) -> Result<(), CacheError> {
        self.index.set_score(self.node_of(seq)?, score)
    }

    /// All stored runs, parents before children.
    pub(crate) fn runs(&self) -> Vec<StoredRun<'_>> {
        self.index.runs()
    }

    /// Whether a node is there still.
    pub(crate) fn is_stored(&self, node: NodeRef) -> bool {
        self.index.len(node).is_ok()
    }

    pub(crate) fn node_of(&self, seq: &Seq) -> Result<NodeRef, CacheError> {
        seq.node(&self.inbox).ok_or(CacheError::Foreign)
    }

    /// The tokens of a handle.
    ///
    /// # Errors
    ///
    /// A handle of another trie.
    pub fn tokens(&self, seq: &Seq) -> Result<Vec<u32>, CacheError> {
        self.index.path_tokens(self.node_of(seq)?)
    }

    /// Number of a handle's tokens.
    ///
    /// # Errors
    ///
    /// A handle of another trie.
    pub fn length(&self, seq: &Seq) -> Result<usize, CacheError> {
        self.index.len(self.node_of(seq)?)
    }

    /// The slots of a handle, in order; neighbours are joined, so that a single extent is a view.
    ///
    /// # Errors
    ///
    /// A handle of another trie.
    pub fn path(&self, seq: &Seq) -> Result<Vec<Extent>, CacheError> {
        self.index.path(self.node_of(seq)?)
    }

    /// Number of tokens there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// The counts.
    pub fn stats(&mut self) -> TrieStats {
        self.settle();
        TrieStats {
            splits: self.index.splits(),
            live: self.index.live(),
            pinned: self.index.pinned(),
            evictable: self.index.live() - self.index.pinned(),
            nodes: self.index.node_count() - 1,
            nodes_evicted: self.index.nodes_evicted(),
            free: self.slots.free_slots(),
            largest_free: self.slots.largest_free(),
            pending: self.pending,
            high_water: self.slots.high_water(),
            ..self.stats
        }
    }

    /// Checks all books from scratch; for tests. `open` are the reservations that are open.
    ///
    /// # Errors
    ///
    /// A sentence about the first violation.
    pub fn validate(&mut self, open: &[&Reservation]) -> Result<(), String> {
        self.settle();
        let held = open.iter().filter_map(|reservation| reservation.held.as_ref());
        let pending: Vec<u32> = held.flat_map(|held| held.writes.extents()).flat_map(Extent::slots).collect();
        if (open.len(), pending.len()) != (self.open, self.pending) {
            let (open, slots) = (open.len(), pending.len());
            return Err(format!(
                "{open} reservations hold {slots} slots, the counters say {} and {}",
                self.open, self.pending
            ));
        }
        self.index.validate(&self.slots, &pending)
    }
}
