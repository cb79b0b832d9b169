//! What a kernel is given: one head of some keys of a tile.

use std::ops::Range;

use super::BLOCK;
use super::plan::Tile;
use crate::simd::fetch;

/// Keys by which memory is asked ahead of the products.
const AHEAD: usize = 16;

/// One head of one tile, or of a part of its keys.
pub(super) struct Task<'a> {
    pub(super) tile: &'a Tile,
    /// Which of the tile's keys.
    pub(super) seen: Range<usize>,
    /// `[lanes, width]`
    pub(super) queries: &'a [f32],
    /// `[slots, width]`
    pub(super) keys: &'a [f32],
    pub(super) values: &'a [f32],
    pub(super) group: usize,
    /// Soft cap on scores.
    pub(super) cap: Option<f32>,
    pub(super) width: usize,
}

impl<'a> Task<'a> {
    /// The keys in blocks.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Block> + 'a {
        let mut keys = self.tile.slots(self.seen.clone());
        std::iter::from_fn(move || {
            let mut block = Block { slots: [0; BLOCK], seen: [0; BLOCK], len: 0 };
            for (slot, seen) in keys.by_ref().take(BLOCK) {
                (block.slots[block.len], block.seen[block.len]) = (slot, seen);
                block.len += 1;
            }
            (block.len > 0).then_some(block)
        })
    }

    /// Asks memory for what comes after some keys of a block are scored: keys further on, and these
    /// keys' values.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "one instruction a cache line")]
    pub(super) fn fetch(&self, block: &Block, first: usize, count: usize) {
        let ahead = block.slots().iter().skip(first + AHEAD).take(count);
        ahead.for_each(|slot| fetch(self.key(*slot)));
        block.slots().iter().skip(first).take(count).for_each(|slot| fetch(self.value(*slot)));
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a slice")]
    pub(super) fn key(&self, slot: u32) -> &'a [f32] {
        &self.keys[slot as usize * self.width..][..self.width]
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a slice")]
    pub(super) fn value(&self, slot: u32) -> &'a [f32] {
        &self.values[slot as usize * self.width..][..self.width]
    }
}

/// Some keys, and which of the tile's rows see each.
pub(super) struct Block {
    slots: [u32; BLOCK],
    seen: [u16; BLOCK],
    len: usize,
}

impl Block {
    pub(super) fn slots(&self) -> &[u32] {
        &self.slots[..self.len]
    }

    /// Place and mask of the keys that not all rows see.
    pub(super) fn partly_seen(&self) -> impl Iterator<Item = (usize, u16)> + '_ {
        self.seen[..self.len].iter().copied().enumerate().filter(|(_, seen)| *seen != u16::MAX)
    }
}
