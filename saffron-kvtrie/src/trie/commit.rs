//! The second phase of a write, and the end of reservations and handles.

use std::borrow::Cow;
use std::hash::BuildHasher;

use super::{Seq, Trie};
use crate::evict::EvictionPolicy;
use crate::inbox::{Held, Message};
use crate::index::{CacheError, Extent, NodeRef};
use crate::reserve::{Place, Reservation};
use crate::sync::Arc;

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
        let mut stored = vec![false; reservation.written];
        let places = reservation.places.iter();
        let kept: Result<Vec<Seq>, CacheError> =
            places.map(|place| self.keep(place, &reservation, &mut stored).map(|node| self.handle(node))).collect();
        let scratch = held.slots.iter().zip(&stored).filter(|(_, stored)| !**stored).map(|(slot, _)| *slot);
        let rest = Held { pins: held.pins, slots: scratch.collect() };
        self.pending -= held.slots.len() - rest.slots.len();
        self.close(&rest);
        kept
    }

    /// Stores what a context keeps of its rows and marks these; gives the node where that ends.
    fn keep(&mut self, place: &Place, from: &Reservation, stored: &mut [bool]) -> Result<NodeRef, CacheError> {
        if place.keep < place.stored {
            return self.index.prefix(place.anchor, place.keep);
        }
        let rows = &place.rows[..(place.keep - place.stored).min(place.rows.len())];
        let (tokens, slots) = (pick(&from.tokens, rows), pick(&from.slots, rows));
        let (node, superfluous) = self.index.insert(place.anchor, &tokens, &slots)?;
        // What is superfluous comes in the order of the rows.
        let mut superfluous = superfluous.into_iter().peekable();
        for (row, slot) in rows.iter().zip(slots.iter()) {
            stored[*row as usize] = superfluous.next_if_eq(slot).is_none();
        }
        Ok(node)
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
        self.pending -= held.slots.len();
        let mut extents = Vec::new();
        held.slots.iter().for_each(|slot| Extent::append(&mut extents, *slot));
        extents.into_iter().for_each(|extent| self.slots.give(extent));
        for node in &held.pins {
            self.index.unpin(*node).ok();
        }
    }
}

/// The values of some rows: as they stand where the rows follow each other.
fn pick<'a>(values: &'a [u32], rows: &[u32]) -> Cow<'a, [u32]> {
    let first = rows.first().copied().unwrap_or(0) as usize;
    if rows.windows(2).all(|pair| pair[1] == pair[0] + 1) {
        Cow::Borrowed(&values[first..first + rows.len()])
    } else {
        Cow::Owned(rows.iter().map(|row| values[*row as usize]).collect())
    }
}
