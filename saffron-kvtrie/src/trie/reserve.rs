//! The first phase of a write: rows, slots, and what each row attends to.

use std::hash::BuildHasher;

use super::Trie;
use crate::evict::EvictionPolicy;
use crate::inbox::Held;
use crate::index::{CacheError, Extent, NodeRef};
use crate::reserve::{Context, Place, Reservation, Reuse, Rows, Want};

impl<E: EvictionPolicy, H: BuildHasher + Default> Trie<E, H> {
    /// Slots for all tokens of the contexts that have to be computed. A context that is stored whole gets one row that is
    /// computed again for its output and written nowhere.
    ///
    /// Stored prefixes are pinned until the reservation ends. Where slots are missing, unpinned leaves are evicted in the order of the
    /// policy.
    ///
    /// # Errors
    ///
    /// [`CacheError::OutOfBudget`] when even eviction does not make room; the trie is then as
    /// before, but for what was evicted. [`CacheError::EmptyContext`] for a context without tokens,
    /// [`CacheError::Foreign`] for one after a handle of another trie, [`CacheError::Memory`] where
    /// the host has none for the tokens.
    pub fn reserve(&mut self, wants: &[Want<'_>], reuse: Reuse) -> Result<Reservation, CacheError> {
        self.settle();
        let mut held = Held::default();
        let reserved = self.collect(wants, reuse, &mut held).and_then(|rows| Ok((self.take(rows.new_rows())?, rows)));
        match reserved {
            Ok((extents, rows)) => Ok(self.lay_out(rows, extents, held)),
            Err(error) => {
                self.give_back(&held);
                Err(error)
            }
        }
    }

    fn collect(&mut self, wants: &[Want<'_>], reuse: Reuse, held: &mut Held) -> Result<Rows, CacheError> {
        let mut rows = Rows::new(wants.len(), reuse);
        for (place, want) in wants.iter().enumerate() {
            let start = want.after.map_or(Ok(self.index.root()), |seq| self.node_of(seq))?;
            if self.index.len(start)? + want.tokens.len() == 0 {
                return Err(CacheError::EmptyContext { place });
            }
            match reuse {
                Reuse::Cached => self.add_cached(&mut rows, held, start, want)?,
                Reuse::Nothing => self.add_anew(&mut rows, held, start, want)?,
            }
        }
        Ok(rows)
    }

    /// Rows for what is not stored.
    fn add_cached(
        &mut self,
        rows: &mut Rows,
        held: &mut Held,
        start: NodeRef,
        want: &Want<'_>,
    ) -> Result<(), CacheError> {
        let before = self.index.len(start)?;
        let (anchor, matched) = self.index.match_below(start, want.tokens)?;
        self.hold(anchor, held)?;
        let (stored, rest) = (before + matched, &want.tokens[matched..]);
        let last = if rest.is_empty() { self.index.last_token(anchor)? } else { None };
        rows.add(Context { anchor, stored, rest, keep: before + want.keep.min(want.tokens.len()) }, last);
        Ok(())
    }

    /// Rows for everything, whatever is stored.
    fn add_anew(
        &mut self,
        rows: &mut Rows,
        held: &mut Held,
        start: NodeRef,
        want: &Want<'_>,
    ) -> Result<(), CacheError> {
        let (anchor, mut rest) = (self.index.root(), self.index.path_tokens(start)?);
        self.hold(anchor, held)?;
        rest.extend_from_slice(want.tokens);
        rows.add(Context { anchor, stored: 0, rest: &rest, keep: 0 }, None);
        Ok(())
    }

    fn hold(&mut self, anchor: NodeRef, held: &mut Held) -> Result<(), CacheError> {
        self.index.pin(anchor)?;
        held.pins.push(anchor);
        Ok(())
    }

    fn lay_out(&mut self, mut rows: Rows, extents: Vec<Extent>, mut held: Held) -> Reservation {
        held.writes = extents.into_iter().collect();
        let written = held.writes.rows();
        let mut slots = Vec::with_capacity(written);
        held.writes.extents().for_each(|extent| slots.extend(extent.slots()));
        self.open += 1;
        self.pending += written;
        // Anchors are pinned, so that none is stale.
        let mut upward = Vec::new();
        let mut path = |node| self.index.path_with(node, &mut upward).unwrap_or_default();
        let mut segments = rows.segments(&held.writes, &mut path);
        segments.extend(rows.append_requeries(&mut slots, &mut path));
        let missing: usize = rows.places.iter().map(Place::row_count).sum();
        let hit: usize = rows.places.iter().map(|place| place.stored).sum();
        self.stats.tokens_asked += (hit + missing) as u64;
        self.stats.tokens_hit += hit as u64;
        self.stats.tokens_shared += (missing - written) as u64;
        self.stats.tokens_computed += slots.len() as u64;
        Reservation {
            tokens: rows.tokens,
            positions: rows.positions,
            slots,
            segments,
            places: rows.places,
            inbox: self.inbox.clone(),
            held: Some(held),
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
        let Some(taken) = taken else {
            let (free, capacity) = (self.slots.free_slots(), self.slots.capacity());
            let pinned = self.index.pinned();
            let evictable = self.index.live() - pinned;
            return Err(CacheError::OutOfBudget { need, free, evictable, pinned: pinned + self.pending, capacity });
        };
        if let Err(error) = taken.iter().try_for_each(|slots| self.index.cover(*slots)) {
            taken.into_iter().for_each(|slots| self.slots.give(slots));
            return Err(error);
        }
        Ok(taken)
    }
}
