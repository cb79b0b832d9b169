//! The cache as one thing: a trie, and the store that has its rows.

use std::fmt;
use std::hash::BuildHasher;
use std::path::Path;

use rustc_hash::FxBuildHasher;

use crate::evict::{EvictionPolicy, Lru};
use crate::handle::{Match, Seq};
use crate::index::{CacheError, TrieStats, check_capacity};
use crate::reserve::{Reservation, Reuse, Want};
use crate::snapshot::{self, SnapshotError};
use crate::store::{KvStore, StoreError, StoreStats, tokens_within};
use crate::trie::Trie;

/// The trie or its store refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The trie did.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The store did.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A step that came to nothing; what it had reserved is free again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError<F> {
    /// There were no slots for it, or no rows.
    #[error(transparent)]
    Cache(KvError),
    /// The forward pass failed.
    #[error("the forward pass failed")]
    Forward(#[source] F),
}

/// What a step gave.
#[derive(Clone, Debug)]
pub struct Step<T> {
    /// What the forward pass returned.
    pub output: T,
    /// A handle a context: the stored sequence up to what it keeps.
    pub seqs: Vec<Seq>,
}

/// What the trie and its store have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Tokens, slots, nodes.
    pub trie: TrieStats,
    /// Rows and bytes.
    pub store: StoreStats,
}

/// A token trie with the keys and values of its tokens.
///
/// ```
/// use saffron_kvtrie::store::{HostRows, HostStore, KvStore, StoreError};
/// use saffron_kvtrie::{KvTrie, Reservation, Reuse, StepError, Want};
/// # fn main() -> Result<(), StepError<StoreError>> {
/// // One layer, one head of width one: a row is its token.
/// let forward = |rows: &Reservation, store: &mut HostStore| {
///     let keys: Vec<f32> = rows.tokens().iter().map(|token| *token as f32).collect();
///     store.write(0, &rows.writes(), &HostRows { values: keys.clone(), keys })
/// };
/// let mut cache = KvTrie::new(HostStore::new(1, 1, 1, 64));
/// let prompt = cache.step(&[Want::keep(&[5, 6, 7])], Reuse::Cached, forward)?.seqs.remove(0);
/// let children = [Want::after(&prompt, &[8]), Want::after(&prompt, &[9])];
/// cache.step(&children, Reuse::Cached, |rows, store| {
///     assert_eq!(rows.tokens(), &[8, 9]);
///     forward(rows, store)
/// })?;
/// assert_eq!(cache.stats().trie.live, 5);
/// # Ok(())
/// # }
/// ```
pub struct KvTrie<S: KvStore, E: EvictionPolicy = Lru, H = FxBuildHasher> {
    trie: Trie<E, H>,
    store: S,
}

impl<S: KvStore + fmt::Debug, E: EvictionPolicy, H> fmt::Debug for KvTrie<S, E, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvTrie").field("trie", &self.trie).field("store", &self.store).finish()
    }
}

impl<S: KvStore> KvTrie<S> {
    /// An empty cache over all that a store may hold.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self::with_policy(store, Lru::default())
    }
}

impl<S: KvStore, E: EvictionPolicy, H: BuildHasher + Default> KvTrie<S, E, H> {
    /// An empty cache over all that a store may hold, of which `policy` chooses what is forgotten.
    #[must_use]
    pub fn with_policy(store: S, policy: E) -> Self {
        let tokens = tokens_within(&store);
        Self { trie: Trie::with_policy(tokens, policy), store }
    }

    /// Reserves rows for the contexts, has `forward` compute and write them, and stores them. When `forward` fails or panics, nothing is
    /// stored and its slots are free again.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve); whatever `forward` fails with.
    pub fn step<T, F>(
        &mut self,
        wants: &[Want<'_>],
        reuse: Reuse,
        forward: impl FnOnce(&Reservation, &mut S) -> Result<T, F>,
    ) -> Result<Step<T>, StepError<F>> {
        let reservation = self.reserve(wants, reuse).map_err(StepError::Cache)?;
        let output = forward(&reservation, &mut self.store).map_err(StepError::Forward)?;
        let seqs = self.commit(reservation).map_err(|error| StepError::Cache(error.into()))?;
        Ok(Step { output, seqs })
    }

    /// The first half of a [`step`](Self::step): rows, and the slots for them in the store. For callers that have several open at once.
    ///
    /// # Errors
    ///
    /// As [`Trie::reserve`]; a store that does not grow.
    pub fn reserve(&mut self, wants: &[Want<'_>], reuse: Reuse) -> Result<Reservation, KvError> {
        let reservation = self.trie.reserve(wants, reuse)?;
        self.store.ensure(reservation.slot_bound())?;
        Ok(reservation)
    }

    /// The second half: makes written rows visible. One that is dropped instead is given up.
    ///
    /// # Errors
    ///
    /// A reservation of another cache.
    pub fn commit(&mut self, reservation: Reservation) -> Result<Vec<Seq>, CacheError> {
        self.trie.commit(reservation)
    }

    /// The trie.
    #[must_use]
    pub fn trie(&self) -> &Trie<E, H> {
        &self.trie
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store, to write a reservation's rows to. What is stored is not to be changed.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// The empty sequence, held.
    pub fn root(&mut self) -> Seq {
        self.trie.root()
    }

    /// The longest stored prefix of the tokens, held.
    pub fn match_prefix(&mut self, tokens: &[u32]) -> Match {
        self.trie.match_prefix(tokens)
    }

    /// How many of the tokens, from the first on, are stored; these count as just used.
    pub fn stored(&mut self, tokens: &[u32]) -> usize {
        self.trie.stored(tokens)
    }

    /// The first `len` tokens of a handle as a handle of its own.
    ///
    /// # Errors
    ///
    /// A handle of another cache.
    pub fn truncate(&mut self, seq: &Seq, len: usize) -> Result<Seq, CacheError> {
        self.trie.truncate(seq, len)
    }

    /// Says what a sequence is worth, for policies that go by it.
    ///
    /// # Errors
    ///
    /// A handle of another cache; NaN.
    pub fn set_score(&mut self, seq: &Seq, score: f32) -> Result<(), CacheError> {
        self.trie.set_score(seq, score)
    }

    /// The rows of a handle in one layer, copied.
    ///
    /// # Errors
    ///
    /// A handle of another cache; a layer that there is not.
    pub fn rows(&self, seq: &Seq, layer: usize) -> Result<S::Rows, KvError> {
        Ok(self.store.read(layer, &self.trie.path(seq)?)?)
    }

    /// Forgets up to `tokens` tokens, what the policy names first; says how many.
    pub fn evict(&mut self, tokens: usize) -> usize {
        self.trie.evict(tokens)
    }

    /// Forgets everything that no handle holds and the policy gives up; says how many tokens.
    pub fn clear(&mut self) -> usize {
        self.trie.clear()
    }

    /// Brings all rows to the lowest slots, depth first, so that a path tends to be one extent, which attention reads without a copy.
    /// Handles stay valid. Says how many rows moved.
    ///
    /// # Errors
    ///
    /// [`CacheError::ReservationsOpen`]; a store that does not move them, and all is then as before.
    pub fn compact(&mut self) -> Result<usize, KvError> {
        let Self { trie, store } = self;
        trie.compact(|moves| Ok(store.copy(moves)?))
    }

    /// Changes how many tokens there is room for. A lower capacity evicts what does not fit, brings the rest together, and gives the
    /// memory above it back.
    ///
    /// # Errors
    ///
    /// [`CacheError::CapacityTooSmall`] when pins, or the policy, keep more than that; [`CacheError::ReservationsOpen`] for a lower one;
    /// [`CacheError::CapacityTooLarge`]; a store that refuses. The capacity is then as before.
    pub fn set_capacity(&mut self, tokens: u32) -> Result<(), KvError> {
        check_capacity(tokens)?;
        if (tokens as usize) < self.trie.capacity() {
            self.trie.shrink_to(tokens as usize)?;
            self.compact()?;
        }
        self.store.set_limit(tokens as usize + 1)?;
        Ok(self.trie.set_capacity(tokens)?)
    }

    /// Writes what is stored to a file; see [`snapshot`].
    ///
    /// # Errors
    ///
    /// As [`snapshot::save`].
    pub fn save(&self, path: &Path, fingerprint: &[u8]) -> Result<(), SnapshotError> {
        snapshot::save(path, fingerprint, &self.trie, &self.store)
    }

    /// A cache from a file, its rows in a store that is given, none of them held.
    ///
    /// # Errors
    ///
    /// As [`snapshot::load`].
    pub fn restore(path: &Path, fingerprint: &[u8], store: S, policy: E) -> Result<Self, SnapshotError> {
        snapshot::load(path, fingerprint, store, policy).map(|(trie, store)| Self { trie, store })
    }

    /// The same from bytes in memory, which [`snapshot::save_bytes`] gave.
    ///
    /// # Errors
    ///
    /// As [`snapshot::load_bytes`].
    pub fn restore_bytes(bytes: &[u8], fingerprint: &[u8], store: S, policy: E) -> Result<Self, SnapshotError> {
        snapshot::load_bytes(bytes, fingerprint, store, policy).map(|(trie, store)| Self { trie, store })
    }

    /// Both parts.
    #[must_use]
    pub fn split(self) -> (Trie<E, H>, S) {
        (self.trie, self.store)
    }

    /// The counts of both.
    pub fn stats(&mut self) -> CacheStats {
        CacheStats { trie: self.trie.stats(), store: self.store.stats() }
    }

    /// Checks all books from scratch; for tests. `open` are the reservations that are open.
    ///
    /// # Errors
    ///
    /// A sentence about the first violation.
    pub fn validate(&mut self, open: &[&Reservation]) -> Result<(), String> {
        self.trie.validate(open)?;
        let (slots, limit, capacity) = (self.store.slots(), self.store.limit(), self.trie.capacity());
        if slots > limit || tokens_within(&self.store) as usize != capacity {
            return Err(format!("{slots} slots of {limit}, for {capacity} tokens"));
        }
        let end = self.trie.runs().iter().map(|run| run.slots.end() as usize).max().unwrap_or(0);
        if end > slots { Err(format!("slots up to {end} are stored, the store has {slots}")) } else { Ok(()) }
    }
}
