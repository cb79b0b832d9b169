//! Slots of the pools, handed out as contiguous extents, lowest address first.

use std::collections::BTreeMap;

/// `len` slots from `base` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First slot.
    pub base: u32,
    /// Number of slots.
    pub len: u32,
}

impl Extent {
    /// The slot after the last.
    #[must_use]
    pub fn end(self) -> u32 {
        self.base + self.len
    }

    /// Adds a slot to the end of a path, joined to the last extent if it follows it.
    pub(crate) fn append(path: &mut Vec<Self>, slot: u32) {
        match path.last_mut() {
            Some(last) if last.end() == slot => last.len += 1,
            _ => path.push(Self { base: slot, len: 1 }),
        }
    }

    /// The slots.
    pub fn slots(self) -> impl Iterator<Item = u32> {
        self.base..self.end()
    }
}

/// The free slots `1..=capacity`. Slot 0 is the null row: never handed out, so that padding has something finite to read.
#[derive(Clone, Debug)]
pub struct SlotAllocator {
    free: BTreeMap<u32, u32>,
    free_slots: usize,
    capacity: usize,
    high_water: usize,
}

impl SlotAllocator {
    /// All of `capacity` slots free.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        let free = if capacity == 0 { BTreeMap::new() } else { BTreeMap::from([(1, capacity)]) };
        Self { free, free_slots: capacity as usize, capacity: capacity as usize, high_water: 0 }
    }

    /// Number of free slots.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.free_slots
    }

    /// Length of the longest free extent.
    #[must_use]
    pub fn largest_free(&self) -> usize {
        self.free.values().max().map_or(0, |len| *len as usize)
    }

    /// Number of slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Largest number of slots in use at once so far.
    #[must_use]
    pub fn high_water(&self) -> usize {
        self.high_water
    }

    /// Takes `len` slots: one extent if there is one large enough (the lowest), else several from the lowest up. `None`, and
    /// nothing taken, when there are not as many.
    pub fn take(&mut self, len: u32) -> Option<Vec<Extent>> {
        if len as usize > self.free_slots {
            return None;
        }
        let whole = self.free.iter().find(|(_, found)| **found >= len).map(|(base, _)| *base);
        let mut taken = Vec::new();
        let mut missing = len;
        while missing > 0 {
            let base = whole.or_else(|| self.free.keys().next().copied())?;
            let found = self.free.remove(&base)?;
            let part = found.min(missing);
            if found > part {
                self.free.insert(base + part, found - part);
            }
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
        let before = self.free.range(..extent.base).next_back().map(|(base, len)| (*base, *len));
        let after = self.free.range(extent.base..).next().map(|(base, len)| (*base, *len));
        let apart = before.is_none_or(|(base, len)| base + len <= extent.base)
            && after.is_none_or(|(base, _)| extent.end() <= base);
        assert!(
            apart && extent.base > 0 && extent.end() as usize <= self.capacity + 1,
            "slots freed twice: {extent:?}"
        );
        let (mut base, mut len) = (extent.base, extent.len);
        if let Some((left, left_len)) = before.filter(|(left, left_len)| left + left_len == base) {
            self.free.remove(&left);
            (base, len) = (left, left_len + len);
        }
        if let Some((right, right_len)) = after.filter(|(right, _)| *right == extent.end()) {
            self.free.remove(&right);
            len += right_len;
        }
        self.free.insert(base, len);
        self.free_slots += extent.len as usize;
    }

    /// The free extents in address order.
    pub fn free_extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.free.iter().map(|(base, len)| Extent { base: *base, len: *len })
    }
}
