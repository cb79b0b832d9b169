//! Which slots the rows of a tile see: integers only.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::LANES;
use crate::attention::plan::common_extents;
use crate::index::Extent;
use crate::pool::KvPools;
use crate::reserve::{Reservation, Segment};

/// Some consecutive rows and what they attend to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::attention) struct Tile {
    pub(super) rows: Range<usize>,
    /// Slots that all rows see.
    pub(super) shared: Vec<Extent>,
    /// Slots that some rows see; bit `i` of the mask is the tile's `i`-th row.
    pub(super) own: Vec<(u32, u16)>,
}

/// Tiles of all rows in order; none when the pools are not for them, or a row's heads alone are more than a tile holds.
pub(in crate::attention) fn plan(reservation: &Reservation, group: usize, pools: &KvPools) -> Option<Vec<Tile>> {
    crate::simd::flex(pools.tensors(0).0)?;
    let height = LANES.checked_div(group).filter(|height| *height > 0)?;
    let mut segments: Vec<&Segment> = reservation.segments().iter().collect();
    segments.sort_unstable_by_key(|segment| segment.rows.start);
    let total = reservation.tokens().len();
    let mut paths = segments.iter().flat_map(|segment| row_paths(segment, reservation.slots()));
    let tile = |first: usize| {
        let rows = first..(first + height).min(total);
        let paths: Vec<Vec<Extent>> = paths.by_ref().take(rows.len()).collect();
        Tile::new(rows, &paths)
    };
    Some((0..total).step_by(height).map(tile).collect())
}

/// For every row of a segment the slots up to itself.
fn row_paths<'a>(segment: &'a Segment, slots: &'a [u32]) -> impl Iterator<Item = Vec<Extent>> + 'a {
    let path = segment.prefix.clone();
    segment.rows.clone().scan(path, |path, row| {
        Extent::append(path, slots[row]);
        Some(path.clone())
    })
}

impl Tile {
    /// Number of slots that are read.
    pub(super) fn keys(&self) -> usize {
        length(&self.shared) + self.own.len()
    }

    /// Some of the slots in order, each with the mask of the rows that see it.
    pub(super) fn slots(&self, range: Range<usize>) -> impl Iterator<Item = (u32, u16)> + '_ {
        let shared = skip(&self.shared, range.start).map(|slot| (slot, u16::MAX));
        let own = self.own.iter().skip(range.start.saturating_sub(length(&self.shared))).copied();
        shared.chain(own).take(range.len())
    }

    fn new(rows: Range<usize>, paths: &[Vec<Extent>]) -> Self {
        let shared = paths.iter().skip(1).fold(paths[0].clone(), |shared, path| common_extents(&shared, path));
        let length = length(&shared);
        let mut places: FxHashMap<u32, usize> = FxHashMap::default();
        let mut own: Vec<(u32, u16)> = Vec::new();
        for (row, path) in paths.iter().enumerate() {
            for slot in skip(path, length) {
                let place = *places.entry(slot).or_insert_with(|| {
                    own.push((slot, 0));
                    own.len() - 1
                });
                own[place].1 |= 1 << row;
            }
        }
        Self { rows, shared, own }
    }
}

fn length(path: &[Extent]) -> usize {
    path.iter().map(|extent| extent.len as usize).sum()
}

/// The slots of a path after the first `count`.
fn skip(path: &[Extent], mut count: usize) -> impl Iterator<Item = u32> + '_ {
    path.iter().flat_map(move |extent| {
        let skipped = count.min(extent.len as usize);
        count -= skipped;
        extent.base + skipped as u32..extent.end()
    })
}
