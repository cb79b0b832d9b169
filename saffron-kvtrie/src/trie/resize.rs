//! Putting rows in order, other capacities, and rows that come from elsewhere.

use std::hash::BuildHasher;

use super::Trie;
use crate::evict::EvictionPolicy;
use crate::index::{CacheError, Extent, Move, NodeRef};

impl<E: EvictionPolicy, H: BuildHasher + Default> Trie<E, H> {
    /// Brings all rows to the lowest slots, depth first, so that a path tends to be one extent. `copy` moves the rows themselves: it must
    /// read all of them before it writes one, because some go where others are. Handles stay valid. Says how many rows moved.
    ///
    /// # Errors
    ///
    /// [`CacheError::ReservationsOpen`]; whatever `copy` fails with: the trie then takes all rows to be where they were.
    pub fn compact<F: From<CacheError>>(&mut self, copy: impl FnOnce(&[Move]) -> Result<(), F>) -> Result<usize, F> {
        self.settle();
        self.expect_closed()?;
        let moves = self.index.packing();
        if !moves.is_empty() {
            copy(&moves)?;
        }
        self.index.pack(&mut self.slots);
        Ok(moves.iter().map(|moved| moved.from.len as usize).sum())
    }

    fn expect_closed(&self) -> Result<(), CacheError> {
        if self.open == 0 { Ok(()) } else { Err(CacheError::ReservationsOpen { open: self.open }) }
    }

    /// Evicts until `tokens` tokens or fewer are stored; says how many went.
    ///
    /// # Errors
    ///
    /// [`CacheError::ReservationsOpen`]; [`CacheError::CapacityTooSmall`] when more are pinned, and nothing has gone then, or when the
    /// policy keeps more.
    pub fn shrink_to(&mut self, tokens: usize) -> Result<usize, CacheError> {
        self.settle();
        self.expect_closed()?;
        let (live, pinned) = (self.index.live(), self.index.pinned());
        if pinned > tokens {
            return Err(CacheError::CapacityTooSmall { capacity: tokens, kept: pinned, pinned });
        }
        let evicted = self.evict(live.saturating_sub(tokens));
        let kept = live - evicted;
        if kept > tokens {
            return Err(CacheError::CapacityTooSmall { capacity: tokens, kept, pinned });
        }
        Ok(evicted)
    }

    /// Changes the number of tokens that there is room for. A lower one needs [`shrink_to`](Self::shrink_to) and
    /// [`compact`](Self::compact) first, which bring all rows below it.
    ///
    /// # Errors
    ///
    /// [`CacheError::SlotInUse`]; nothing has changed then.
    pub fn set_capacity(&mut self, tokens: u32) -> Result<(), CacheError> {
        self.settle();
        self.index.resize(tokens, &mut self.slots)
    }

    pub(crate) fn top(&self) -> NodeRef {
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
        let stored = self.index.insert_extents(parent, tokens, [extent], |_, _| {});
        if stored.is_err() {
            self.slots.give(extent);
        }
        stored.ok().map(|node| (node, extent))
    }
}
