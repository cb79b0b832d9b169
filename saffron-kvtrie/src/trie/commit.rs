//! The second phase of a write, and the end of reservations and handles.

use std::hash::BuildHasher;

use super::Trie;
use crate::evict::EvictionPolicy;
use crate::handle::Seq;
use crate::inbox::{Held, Message};
use crate::index::{CacheError, Extent, Fate, NodeRef};
use crate::reserve::{Place, Reservation};
use crate::sync::Arc;
use crate::writes::Writes;

impl<E: EvictionPolicy, H: BuildHasher + Default> Trie<E, H> {
    /// Makes the rows visible, as far as contexts keep them, and frees the rest. Returns a handle a context: the stored sequence up
    /// to what it keeps.
    ///
    /// # Errors
    ///
    /// [`CacheError::Foreign`] for a reservation of another trie, which is dropped: its own trie gets its slots back.
    pub fn commit(&mut self, mut reservation: Reservation) -> Result<Vec<Seq>, CacheError> {
        if !Arc::ptr_eq(&self.inbox, &reservation.inbox) {
            return Err(CacheError::Foreign);
        }
        self.settle();
        let held = reservation.held.take().unwrap_or_default();
        let (tokens, mut stored) = (&reservation.tokens, Vec::new());
        let places = reservation.places.iter();
        let kept: Result<Vec<Seq>, CacheError> = places
            .map(|place| self.keep(place, tokens, &held.writes, &mut stored).map(|node| self.handle(node)))
            .collect();
        let rest = Held { writes: held.writes.without(stored), pins: held.pins };
        self.pending -= held.writes.rows() - rest.writes.rows();
        self.close(&rest);
        kept
    }

    /// Stores what a context keeps of its rows and notes their slots; gives the node where that ends.
    fn keep(
        &mut self,
        place: &Place,
        tokens: &[u32],
        writes: &Writes,
        stored: &mut Vec<Extent>,
    ) -> Result<NodeRef, CacheError> {
        if place.keep < place.stored {
            return self.index.prefix(place.anchor, place.keep);
        }
        let count = place.keep - place.stored;
        let slots = place.rows(count).flat_map(|rows| writes.of(rows));
        self.index.insert_extents(place.anchor, &place.pick(tokens, count), slots, |extent, fate| {
            if fate == Fate::Stored {
                Extent::join(stored, extent);
            }
        })
    }

    /// A handle of a node that was just looked up.
    pub(super) fn handle(&mut self, node: NodeRef) -> Seq {
        // What was just looked up is not stale.
        self.index.pin(node).ok();
        Seq::new(node, self.inbox.clone())
    }

    /// Does what dropped handles and reservations have left to do.
    pub fn settle(&mut self) {
        for message in self.inbox.take() {
            match message {
                // A pinned node is never stale; a handle unpins once.
                Message::Unpin(node) => {
                    self.index.unpin(node).ok();
                }
                Message::Release(held) => self.close(&held),
            }
        }
    }

    /// Ends a reservation.
    fn close(&mut self, held: &Held) {
        self.open -= 1;
        self.give_back(held);
    }

    /// Frees slots and takes pins off.
    pub(super) fn give_back(&mut self, held: &Held) {
        self.pending -= held.writes.rows();
        held.writes.extents().for_each(|extent| self.slots.give(extent));
        for node in &held.pins {
            self.index.unpin(*node).ok();
        }
    }
}
