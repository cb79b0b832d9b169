//! What a caller wants to keep with stored sequences: rewards, a few best logits. Never whole rows of logits: those are eight times the
//! size of a token's keys and values.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use rustc_hash::FxHashMap;

use crate::evict::EvictionPolicy;
use crate::handle::Seq;
use crate::index::{CacheError, NodeRef};
use crate::trie::Trie;

/// A payload that cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// One entry alone is above the budget.
    #[error("a payload of {bytes} bytes exceeds the budget of {budget}")]
    TooLarge {
        /// Bytes of the entry.
        bytes: usize,
        /// Bytes of the table.
        budget: usize,
    },
    /// The sequence is not of this trie.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

#[derive(Clone, Debug)]
struct Entry<P> {
    value: P,
    bytes: usize,
    age: u64,
}

/// Values by stored sequence, within a budget of their own. An entry is gone when its sequence is evicted, or when newer entries need its
/// room: the oldest goes first.
///
/// ```
/// use saffron_kvtrie::payload::Payloads;
/// use saffron_kvtrie::{Reuse, Trie, Want};
/// let mut trie = Trie::new(8);
/// let reservation = trie.reserve(&[Want::keep(&[1, 2])], Reuse::Cached)?;
/// let seq = trie.commit(reservation)?.remove(0);
/// let mut rewards: Payloads<f32> = Payloads::new(1024);
/// rewards.insert(&trie, &seq, 0.75, 4)?;
/// assert_eq!(rewards.get(&trie, &seq)?, Some(&0.75));
/// # Ok::<(), saffron_kvtrie::payload::PayloadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Payloads<P> {
    entries: FxHashMap<NodeRef, Entry<P>>,
    by_age: BTreeMap<u64, NodeRef>,
    bytes: usize,
    budget: usize,
    clock: u64,
}

impl<P> Payloads<P> {
    /// An empty table for so many bytes.
    #[must_use]
    pub fn new(budget: usize) -> Self {
        Self { entries: FxHashMap::default(), by_age: BTreeMap::new(), bytes: 0, budget, clock: 0 }
    }

    /// Keeps a value of so many bytes with a sequence, in place of any that it had.
    ///
    /// # Errors
    ///
    /// A value above the whole budget; a handle of another trie. The table is then as before.
    pub fn insert<E: EvictionPolicy, H: BuildHasher + Default>(
        &mut self,
        trie: &Trie<E, H>,
        seq: &Seq,
        value: P,
        bytes: usize,
    ) -> Result<(), PayloadError> {
        let node = trie.node_of(seq)?;
        if bytes > self.budget {
            return Err(PayloadError::TooLarge { bytes, budget: self.budget });
        }
        self.remove(node);
        self.sweep_for(trie, bytes);
        self.clock += 1;
        self.bytes += bytes;
        self.by_age.insert(self.clock, node);
        self.entries.insert(node, Entry { value, bytes, age: self.clock });
        Ok(())
    }

    /// The value kept with a sequence.
    ///
    /// # Errors
    ///
    /// A handle of another trie.
    pub fn get<E: EvictionPolicy, H: BuildHasher + Default>(
        &self,
        trie: &Trie<E, H>,
        seq: &Seq,
    ) -> Result<Option<&P>, CacheError> {
        Ok(self.entries.get(&trie.node_of(seq)?).map(|entry| &entry.value))
    }

    /// Drops the values of sequences that were evicted.
    pub fn sweep<E: EvictionPolicy, H: BuildHasher + Default>(&mut self, trie: &Trie<E, H>) {
        let gone: Vec<NodeRef> = self.by_age.values().copied().filter(|node| !trie.is_stored(*node)).collect();
        gone.into_iter().for_each(|node| self.remove(node));
    }

    /// Makes room: first from what was evicted, then from the oldest.
    fn sweep_for<E: EvictionPolicy, H: BuildHasher + Default>(&mut self, trie: &Trie<E, H>, bytes: usize) {
        if self.bytes + bytes > self.budget {
            self.sweep(trie);
        }
        while self.bytes + bytes > self.budget {
            let Some((_, node)) = self.by_age.first_key_value() else { break };
            self.remove(*node);
        }
    }

    fn remove(&mut self, node: NodeRef) {
        if let Some(entry) = self.entries.remove(&node) {
            self.by_age.remove(&entry.age);
            self.bytes -= entry.bytes;
        }
    }

    /// Bytes of all values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
