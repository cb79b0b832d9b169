//! Slots of the pools, handed out as contiguous extents.

use std::collections::{BTreeMap, BTreeSet};

use super::{CacheError, Extent};

/// The free slots `1..=capacity`. Slot 0 is the null row: never handed out, so that padding has something finite to read.
///
/// Free extents are known by address and by size, so that no operation depends on how many there are but by their logarithm.
#[derive(Clone, Debug)]
pub struct SlotAllocator {
    by_base: BTreeMap<u32, u32>,
    by_len: BTreeSet<(u32, u32)>,
    free_slots: usize,
    capacity: usize,
    high_water: usize,
}

impl SlotAllocator {
    /// All of `capacity` slots free.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        let (by_base, by_len) = (BTreeMap::new(), BTreeSet::new());
        let mut slots = Self { by_base, by_len, free_slots: 0, capacity: capacity as usize, high_water: 0 };
        slots.pack(0);
        slots
    }

    /// Number of free slots.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.free_slots
    }

    /// Length of the longest free extent.
    #[must_use]
    pub fn largest_free(&self) -> usize {
        self.by_len.last().map_or(0, |(len, _)| *len as usize)
    }

    /// Number of slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Largest number of slots in use at once so far.
    pub(crate) fn high_water(&self) -> usize {
        self.high_water
    }

    /// Takes `len` slots: the smallest extent that holds them all (the lowest among equals), else several, the largest first, so that
    /// they are few. `None`, and nothing taken, when there are not as many.
    pub fn take(&mut self, len: u32) -> Option<Vec<Extent>> {
        if len as usize > self.free_slots {
            return None;
        }
        let mut taken = Vec::new();
        let mut missing = len;
        while missing > 0 {
            let fitting = self.by_len.range((missing, 0)..).next();
            let (found, base) = *fitting.or_else(|| self.by_len.last())?;
            let part = found.min(missing);
            self.forget(base, found);
            self.list(base + part, found - part);
            taken.push(Extent { base, len: part });
            missing -= part;
        }
        self.free_slots -= len as usize;
        self.high_water = self.high_water.max(self.capacity - self.free_slots);
        Some(taken)
    }

    /// Gives slots back.
    ///
    /// # Panics
    ///
    /// When a slot is already free or was never handed out: the caller's books are wrong, and going on would let two sequences
    /// share a row.
    pub fn give(&mut self, extent: Extent) {
        if extent.len == 0 {
            return;
        }
        let before = self.by_base.range(..extent.base).next_back().map(|(base, len)| (*base, *len));
        let after = self.by_base.range(extent.base..).next().map(|(base, len)| (*base, *len));
        let apart = before.is_none_or(|(base, len)| base + len <= extent.base)
            && after.is_none_or(|(base, _)| extent.end() <= base);
        assert!(
            apart && extent.base > 0 && extent.end() as usize <= self.capacity + 1,
            "slots freed twice: {extent:?}"
        );
        let (mut base, mut len) = (extent.base, extent.len);
        if let Some((left, left_len)) = before.filter(|(left, left_len)| left + left_len == base) {
            self.forget(left, left_len);
            (base, len) = (left, left_len + len);
        }
        if let Some((right, right_len)) = after.filter(|(right, _)| *right == extent.end()) {
            self.forget(right, right_len);
            len += right_len;
        }
        self.list(base, len);
        self.free_slots += extent.len as usize;
    }

    /// Enters a free extent, unless it is empty.
    fn list(&mut self, base: u32, len: u32) {
        if len > 0 {
            self.by_base.insert(base, len);
            self.by_len.insert((len, base));
        }
    }

    fn forget(&mut self, base: u32, len: u32) {
        self.by_base.remove(&base);
        self.by_len.remove(&(len, base));
    }

    /// Books the first `used` slots as taken and all others as free, whatever was so before.
    pub(super) fn pack(&mut self, used: usize) {
        self.by_base.clear();
        self.by_len.clear();
        self.free_slots = self.capacity - used;
        self.list(used as u32 + 1, self.free_slots as u32);
    }

    /// Changes the number of slots.
    ///
    /// # Errors
    ///
    /// [`CacheError::SlotInUse`] when one of those that would go is taken, [`CacheError::CapacityTooLarge`]; nothing has changed then.
    pub fn resize(&mut self, capacity: u32) -> Result<(), CacheError> {
        check_capacity(capacity)?;
        let (old, new) = (self.capacity as u32, capacity);
        if new >= old {
            self.capacity = new as usize;
            self.give(Extent { base: old + 1, len: new - old });
            return Ok(());
        }
        let last = self.by_base.last_key_value().map(|(base, len)| Extent { base: *base, len: *len });
        let free_from = last.filter(|last| last.end() == old + 1).map_or(old + 1, |last| last.base);
        if free_from > new + 1 {
            return Err(CacheError::SlotInUse { slot: free_from - 1, capacity: new as usize });
        }
        if let Some(last) = last {
            self.forget(last.base, last.len);
            self.list(last.base, new + 1 - last.base);
        }
        self.capacity = new as usize;
        self.free_slots -= (old - new) as usize;
        Ok(())
    }

    /// The free extents in address order.
    pub fn free_extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.by_base.iter().map(|(base, len)| Extent { base: *base, len: *len })
    }
}

/// The most slots that can be numbered, the null slot and the end of the last extent included.
pub(crate) const MOST_SLOTS: u32 = u32::MAX - 1;

/// Refuses a capacity that slot numbers do not reach.
pub(crate) fn check_capacity(capacity: u32) -> Result<(), CacheError> {
    if capacity <= MOST_SLOTS { Ok(()) } else { Err(CacheError::CapacityTooLarge { capacity, most: MOST_SLOTS }) }
}
