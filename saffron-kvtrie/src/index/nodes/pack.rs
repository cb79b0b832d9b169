//! Putting rows in order, and other numbers of slots.

use std::hash::BuildHasher;

use super::Index;
use crate::evict::EvictionPolicy;
use crate::index::{CacheError, Extent, Move, SlotAllocator};

impl<E: EvictionPolicy, H: BuildHasher + Default> Index<E, H> {
    /// The moves that bring all rows to the lowest slots, depth first: a path that has no branches becomes one extent. A row may go where
    /// another still is, so that all must be read before one is written.
    #[must_use]
    pub fn packing(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (run, to) in self.packed() {
            Move::append(&mut moves, self.nodes[run as usize].run, to);
        }
        moves
    }

    /// Enters the moves of [`packing`](Self::packing), once the rows are where they say. Nodes stay what they are.
    pub(crate) fn pack(&mut self, slots: &mut SlotAllocator) {
        let mut log = vec![0; self.log.len()];
        for (node, to) in self.packed() {
            let run = Extent { base: to, len: self.nodes[node as usize].run.len };
            log[run.base as usize..run.end() as usize].copy_from_slice(self.tokens(node));
            self.nodes[node as usize].run = run;
        }
        self.log = log;
        slots.pack(self.live);
    }

    /// Every node with its place in depth-first order.
    fn packed(&self) -> Vec<(u32, u32)> {
        let places = self.depth_first().into_iter().scan(1, |next, (node, _)| {
            let to = *next;
            *next += self.nodes[node as usize].run.len;
            Some((node, to))
        });
        places.collect()
    }

    /// Follows the allocator to another number of slots.
    ///
    /// # Errors
    ///
    /// As [`SlotAllocator::resize`].
    pub(crate) fn resize(&mut self, capacity: u32, slots: &mut SlotAllocator) -> Result<(), CacheError> {
        slots.resize(capacity)?;
        self.log.truncate(capacity as usize + 1);
        self.log.shrink_to_fit();
        Ok(())
    }
}
