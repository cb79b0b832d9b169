//! The trie: index, slots and handles together. Still no tensors.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use crate::evict::{EvictionPolicy, Lru};
use crate::inbox::{Held, Inbox, Message};
use crate::index::{CacheError, Extent, Index, NodeRef, SlotAllocator, StoredRun, TrieStats};
use crate::reserve::{Reservation, Reuse, Rows, Want};

/// A stored sequence, held: while a clone of this handle lives, none of its tokens is evicted.
#[derive(Clone, Debug)]
pub struct Seq(Arc<Pin>);

/// What a lookup found.
#[derive(Clone, Debug)]
pub struct Match {
    /// The stored prefix, held.
    pub seq: Seq,
    /// Its length.
    pub matched: usize,
}

#[derive(Debug)]
struct Pin {
    node: NodeRef,
    inbox: Arc<Inbox>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.inbox.push(Message::Unpin(self.node));
    }
}

/// A token trie over a fixed number of slots. Full, it forgets what its policy names: by default the leaf whose last use lies furthest
/// back.
///
/// Two-phase writes: [`reserve`](Self::reserve) gives rows and slots, the caller computes them, [`commit`](Self::commit) makes them
/// visible. See the [crate documentation](crate) for an example.
pub struct Trie<E: EvictionPolicy = Lru, H = FxBuildHasher> {
    index: Index<E, H>,
    slots: SlotAllocator,
    inbox: Arc<Inbox>,
    pending: usize,
    stats: TrieStats,
}

impl<E: EvictionPolicy, H> std::fmt::Debug for Trie<E, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (slots, pending) = (&self.slots, &self.pending);
        f.debug_struct("Trie").field("slots", slots).field("pending", pending).finish_non_exhaustive()
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
        Self {
            index: Index::new(capacity, policy),
            slots: SlotAllocator::new(capacity),
            inbox: Arc::default(),
            pending: 0,
            stats: TrieStats::default(),
        }
    }

    /// Slots for all tokens of the contexts that have to be computed. A context that is stored whole gets one row that is
    /// computed again for its output and written nowhere.
    ///
    /// Stored prefixes are pinned until the reservation ends. Where slots are missing, unpinned leaves are evicted, the least
    /// recently used first.
    ///
    /// # Errors
    ///
    /// [`CacheError::OutOfBudget`] when even eviction does not make room; the trie is then as before, but for what was evicted.
    /// [`CacheError::EmptyContext`] for a context without tokens.
    pub fn reserve(&mut self, wants: &[Want<'_>], reuse: Reuse) -> Result<Reservation, CacheError> {
        self.settle();
        if let Some(place) = wants.iter().position(|want| want.tokens.is_empty()) {
            return Err(CacheError::EmptyContext { place });
        }
        let mut held = Held::default();
        let rows = match self.collect(wants, reuse, &mut held) {
            Ok(rows) => rows,
            Err(error) => {
                self.release(&held);
                return Err(error);
            }
        };
        let taken = self.take(rows.new_rows());
        match taken {
            Ok(extents) => Ok(self.lay_out(rows, &extents, held)),
            Err(error) => {
                self.release(&held);
                Err(error)
            }
        }
    }

    fn collect(&mut self, wants: &[Want<'_>], reuse: Reuse, held: &mut Held) -> Result<Rows, CacheError> {
        let mut rows = Rows::new(wants.len(), reuse);
        for want in wants {
            let (anchor, stored) = match reuse {
                Reuse::Cached => self.index.match_prefix(want.tokens),
                Reuse::Nothing => (self.index.root(), 0),
            };
            self.index.pin(anchor)?;
            held.pins.push(anchor);
            let keep = if reuse == Reuse::Cached { want.keep.min(want.tokens.len()) } else { 0 };
            rows.add(Want { keep, ..*want }, anchor, stored);
            self.stats.tokens_asked += want.tokens.len() as u64;
            self.stats.tokens_hit += stored as u64;
        }
        Ok(rows)
    }

    fn lay_out(&mut self, mut rows: Rows, extents: &[Extent], mut held: Held) -> Reservation {
        let mut slots: Vec<u32> = extents.iter().flat_map(|extent| extent.slots()).collect();
        let written = slots.len();
        held.slots.clone_from(&slots);
        self.pending += written;
        // Anchors are pinned, so that none is stale.
        let path = |node| self.index.path(node).unwrap_or_default();
        let mut segments = rows.segments(&slots, path);
        segments.extend(rows.append_requeries(&mut slots, path));
        let missing: usize = rows.places.iter().map(|place| place.rows.len()).sum();
        self.stats.tokens_shared += (missing - written) as u64;
        self.stats.tokens_computed += slots.len() as u64;
        Reservation {
            tokens: rows.tokens,
            positions: rows.positions,
            slots,
            written,
            segments,
            places: rows.places,
            inbox: self.inbox.clone(),
            held,
        }
    }

    /// Free slots, after eviction if need be.
    fn take(&mut self, need: usize) -> Result<Vec<Extent>, CacheError> {
        let missing = need.saturating_sub(self.slots.free_slots());
        // What can never fit must not cost the others their place.
        if missing > 0 && missing <= self.index.live() - self.index.pinned() {
            self.stats.tokens_evicted += self.index.evict(missing, &mut self.slots) as u64;
        }
        let taken = u32::try_from(need).ok().and_then(|need| self.slots.take(need));
        taken.ok_or_else(|| {
            let (free, capacity) = (self.slots.free_slots(), self.slots.capacity());
            let pinned = self.index.pinned();
            let evictable = self.index.live() - pinned;
            CacheError::OutOfBudget { need, free, evictable, pinned: pinned + self.pending, capacity }
        })
    }

    /// Makes the rows visible, as far as contexts keep them, and frees the rest. Returns a handle a context: the stored sequence up
    /// to what it keeps.
    ///
    /// # Panics
    ///
    /// When the reservation is another trie's.
    pub fn commit(&mut self, mut reservation: Reservation) -> Vec<Seq> {
        assert!(Arc::ptr_eq(&self.inbox, &reservation.inbox), "a reservation is committed to the trie that gave it");
        self.settle();
        let held = std::mem::take(&mut reservation.held);
        let mut stored = vec![false; reservation.written];
        let mut handles = Vec::with_capacity(reservation.places.len());
        for place in &reservation.places {
            let keep = place.keep.saturating_sub(place.stored).min(place.rows.len());
            let pick = |from: &[u32]| place.rows[..keep].iter().map(|row| from[*row as usize]).collect::<Vec<u32>>();
            let (tokens, slots) = (pick(&reservation.tokens), pick(&reservation.slots));
            // The anchor is pinned by this very reservation, so that it cannot be stale.
            let Ok((node, superfluous)) = self.index.insert(place.anchor, &tokens, &slots) else { continue };
            // What is superfluous comes in the order of the rows.
            let mut superfluous = superfluous.into_iter().peekable();
            for (row, slot) in place.rows[..keep].iter().zip(&slots) {
                stored[*row as usize] = superfluous.next_if_eq(slot).is_none();
            }
            handles.push(self.handle(node));
        }
        let scratch = held.slots.iter().zip(&stored).filter(|(_, stored)| !**stored).map(|(slot, _)| *slot);
        let rest = Held { pins: held.pins, slots: scratch.collect() };
        self.pending -= held.slots.len() - rest.slots.len();
        self.release(&rest);
        handles
    }

    /// A handle of a node that was just looked up.
    fn handle(&mut self, node: NodeRef) -> Seq {
        // What was just looked up is not stale.
        self.index.pin(node).ok();
        Seq(Arc::new(Pin { node, inbox: self.inbox.clone() }))
    }

    /// Does what dropped handles and reservations have left to do.
    pub fn settle(&mut self) {
        for message in self.inbox.take() {
            match message {
                // A pinned node is never stale; a handle unpins once.
                Message::Unpin(node) => {
                    self.index.unpin(node).ok();
                }
                Message::Release(held) => self.release(&held),
            }
        }
    }

    fn release(&mut self, held: &Held) {
        self.pending -= held.slots.len();
        let mut extents = Vec::new();
        held.slots.iter().for_each(|slot| Extent::append(&mut extents, *slot));
        extents.into_iter().for_each(|extent| self.slots.give(extent));
        for node in &held.pins {
            self.index.unpin(*node).ok();
        }
    }

    /// How many of the tokens, from the first on, are stored; these count as just used.
    pub fn stored(&mut self, tokens: &[u32]) -> usize {
        self.settle();
        self.index.match_prefix(tokens).1
    }

    /// Forgets up to `tokens` tokens, the least recently used first; says how many.
    pub fn evict(&mut self, tokens: usize) -> usize {
        self.settle();
        let evicted = self.index.evict(tokens, &mut self.slots);
        self.stats.tokens_evicted += evicted as u64;
        evicted
    }

    /// The longest stored prefix of the tokens, held.
    pub fn match_prefix(&mut self, tokens: &[u32]) -> Match {
        self.settle();
        let (node, matched) = self.index.match_prefix(tokens);
        Match { seq: self.handle(node), matched }
    }

    /// The first `len` tokens of a handle as a handle of its own.
    ///
    /// # Errors
    ///
    /// A handle of another trie.
    pub fn truncate(&mut self, seq: &Seq, len: usize) -> Result<Seq, CacheError> {
        self.settle();
        let mut tokens = self.tokens(seq)?;
        tokens.truncate(len);
        Ok(self.match_prefix(&tokens).seq)
    }

    /// Says what a sequence is worth, for policies that go by it: the reward of a search, say.
    ///
    /// # Errors
    ///
    /// A handle of another trie; NaN.
    pub fn set_score(&mut self, seq: &Seq, score: f32) -> Result<(), CacheError> {
        self.index.set_score(self.node_of(seq)?, score)
    }

    /// Forgets everything that no handle holds and the policy gives up, in one go; says how many tokens.
    pub fn clear(&mut self) -> usize {
        self.evict(usize::MAX)
    }

    /// All stored runs, parents before children.
    pub(crate) fn runs(&self) -> Vec<StoredRun<'_>> {
        self.index.runs()
    }

    pub(crate) fn root(&self) -> NodeRef {
        self.index.root()
    }

    /// Stores a run whose rows are about to be written, in one extent. None, and nothing stored, when a run below the same parent begins
    /// with the same token, or there is no such extent.
    pub(crate) fn adopt(&mut self, parent: NodeRef, tokens: &[u32]) -> Option<(NodeRef, Extent)> {
        if tokens.first().is_none_or(|token| self.index.has_child(parent, *token)) {
            return None;
        }
        let taken = self.slots.take(tokens.len() as u32)?;
        let [extent] = *taken.as_slice() else {
            taken.into_iter().for_each(|extent| self.slots.give(extent));
            return None;
        };
        let slots: Vec<u32> = extent.slots().collect();
        let (node, _) = self.index.insert(parent, tokens, &slots).ok()?;
        Some((node, extent))
    }

    /// Whether a node is there still.
    pub(crate) fn is_stored(&self, node: NodeRef) -> bool {
        self.index.len(node).is_ok()
    }

    pub(crate) fn node_of(&self, seq: &Seq) -> Result<NodeRef, CacheError> {
        if Arc::ptr_eq(&seq.0.inbox, &self.inbox) { Ok(seq.0.node) } else { Err(CacheError::Foreign) }
    }

    /// The tokens of a handle.
    ///
    /// # Errors
    ///
    /// A handle of another trie.
    pub fn tokens(&self, seq: &Seq) -> Result<Vec<u32>, CacheError> {
        self.index.path_tokens(self.node_of(seq)?)
    }

    /// The slots of a handle, in order.
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
        let pending: Vec<u32> = open.iter().flat_map(|reservation| &reservation.held.slots).copied().collect();
        if pending.len() != self.pending {
            return Err(format!("{} slots are reserved, the counter says {}", pending.len(), self.pending));
        }
        self.index.validate(&self.slots, &pending)
    }
}
