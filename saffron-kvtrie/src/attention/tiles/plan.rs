//! Which slots the rows of a tile see: integers only.

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::LANES;
use crate::attention::path::{Window, common_extents, keep_last, length};
use crate::attention::{PlanKind, PlanOptions};
use crate::index::Extent;
use crate::pool::KvPools;
use crate::reserve::{Reservation, Segment};

/// The tiles of a pass.
#[derive(Debug)]
pub(in crate::attention) struct Tiles {
    pub(super) tiles: Vec<Tile>,
    /// Soft cap on scores.
    pub(super) cap: Option<f32>,
}

/// Some consecutive rows and what they attend to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) rows: Range<usize>,
    /// Slots that all rows see.
    pub(super) shared: Vec<Extent>,
    /// Slots that some rows see; bit `i` of the mask is the tile's `i`-th row.
    pub(super) own: Vec<(u32, u16)>,
}

/// What a row sees: its context from a position on.
struct Path {
    start: usize,
    slots: Vec<Extent>,
}

/// Tiles of all rows in order; none for another kind of plan, when the pools are not for them, or
/// when a row's heads alone are more than a tile holds.
pub(in crate::attention) fn plan(
    reservation: &Reservation,
    group: usize,
    options: PlanOptions,
    pools: &KvPools,
) -> Option<Tiles> {
    if options.kind != PlanKind::Tiles {
        return None;
    }
    crate::simd::flex(pools.tensors(0).0)?;
    let tiles = tiles(reservation, group, Window::new(options.window))?;
    Some(Tiles { tiles, cap: options.cap() })
}

fn tiles(reservation: &Reservation, group: usize, window: Window) -> Option<Vec<Tile>> {
    let height = LANES.checked_div(group).filter(|height| *height > 0)?;
    let mut segments: Vec<&Segment> = reservation.segments().iter().collect();
    segments.sort_unstable_by_key(|segment| segment.rows.start);
    let total = reservation.tokens().len();
    let mut paths = segments.iter().flat_map(|segment| row_paths(segment, reservation.slots(), window));
    let tile = |first: usize| {
        let rows = first..(first + height).min(total);
        let paths: Vec<Path> = paths.by_ref().take(rows.len()).collect();
        Tile::new(rows, &paths)
    };
    Some((0..total).step_by(height).map(tile).collect())
}

/// For every row of a segment what it sees, itself last.
fn row_paths<'a>(segment: &'a Segment, slots: &'a [u32], window: Window) -> impl Iterator<Item = Path> + 'a {
    let mut path = segment.prefix.clone();
    keep_last(&mut path, window.reach());
    let counts = segment.prefix_len() + 1..;
    counts.zip(segment.rows.clone()).scan(path, move |path, (count, row)| {
        Extent::append(path, slots[row]);
        keep_last(path, window.tokens());
        Some(Path { start: window.start(count), slots: path.clone() })
    })
}

impl Path {
    /// What stands at a position and after it.
    fn after(&self, position: usize) -> Cow<'_, [Extent]> {
        if position == self.start {
            return Cow::Borrowed(&self.slots);
        }
        let mut slots = self.slots.clone();
        keep_last(&mut slots, length(&self.slots).saturating_sub(position - self.start));
        Cow::Owned(slots)
    }
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

    /// All rows see what they have in common from the latest window on. Equal slots at a position
    /// mean equal paths up to it, so that what lies before need not be compared.
    fn new(rows: Range<usize>, paths: &[Path]) -> Self {
        let latest = paths.iter().map(|path| path.start).max().unwrap_or(0);
        let mut tails = paths.iter().map(|path| path.after(latest));
        let first = tails.next().map(Cow::into_owned).unwrap_or_default();
        let shared = tails.fold(first, |shared, tail| common_extents(&shared, &tail));
        let common = length(&shared);
        let mut places: FxHashMap<u32, usize> = FxHashMap::default();
        let mut own: Vec<(u32, u16)> = Vec::new();
        for (row, path) in paths.iter().enumerate() {
            let before = latest - path.start;
            for slot in skip(&path.slots, 0).take(before).chain(skip(&path.slots, before + common)) {
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

/// The slots of a path after the first `count`.
fn skip(path: &[Extent], mut count: usize) -> impl Iterator<Item = u32> + '_ {
    path.iter().flat_map(move |extent| {
        let skipped = count.min(extent.len as usize);
        count -= skipped;
        extent.base + skipped as u32..extent.end()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attention::seen::{contexts, expected, reserved};

    #[test]
    fn a_decode_step_reads_its_window() -> Result<(), crate::CacheError> {
        let context: Vec<u32> = (0..4000).collect();
        for chains in [1, 4, 16] {
            let next: Vec<Vec<u32>> = (0..chains).map(|token| [&context[..], &[token]].concat()).collect();
            let (reservation, _) = reserved(std::slice::from_ref(&context), &next)?;
            for tile in tiles(&reservation, 3, Window::new(Some(512))).unwrap_or_default() {
                assert!(tile.keys() < 512 + tile.rows.len(), "{} keys", tile.keys());
                // What a tile of one row shares ends with the row itself.
                assert_eq!(length(&tile.shared), 511 + usize::from(tile.rows.len() == 1));
            }
            let whole = tiles(&reservation, 3, Window::new(None)).unwrap_or_default();
            assert!(whole.iter().all(|tile| tile.keys() >= 4000));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn rows_see_the_last_slots_of_their_paths(
            stored in contexts(),
            contexts in contexts(),
            window in prop::sample::select(vec![None, Some(1), Some(2), Some(7), Some(30)]),
            group in 1..6usize,
        ) {
            let (reservation, paths) = reserved(&stored, &contexts)?;
            for tile in tiles(&reservation, group, Window::new(window)).unwrap_or_default() {
                let keys: Vec<(u32, u16)> = tile.slots(0..tile.keys()).collect();
                prop_assert!(keys.iter().all(|(_, seen)| *seen != 0), "what nobody sees is not read");
                for row in tile.rows.clone() {
                    let sees = |seen: u16| seen & 1 << (row - tile.rows.start) != 0;
                    let mut seen: Vec<u32> = keys.iter().filter(|(_, seen)| sees(*seen)).map(|(slot, _)| *slot).collect();
                    seen.sort_unstable();
                    prop_assert_eq!(seen, expected(&paths[row], window));
                }
            }
        }
    }
}
