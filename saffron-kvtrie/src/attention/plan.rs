//! Grouping the rows of a reservation: integers only.

use super::path::{Window, common_prefix, keep_last, length};
use super::{Buckets, PlanKind, PlanOptions};
use crate::index::Extent;
use crate::reserve::{Reservation, Segment};

/// Chains up to this length are attended together, padded to the longest.
const SHORT: usize = 8;

/// Longer chains are attended in pieces of this many rows. All that stands before a piece is its
/// trunk, the chain's own earlier rows included (a layer's rows are written before they are read),
/// so that only a piece's own square of scores is half hidden.
pub(super) const PIECE: usize = 64;

/// How much a pass has to compute, how its sizes are rounded up, and how far back its rows see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) buckets: Buckets,
    window: Window,
    /// Rows of the reservation.
    rows: usize,
    /// Rows of the pass: those of the reservation, and padding that writes nothing.
    pub(super) padded: usize,
    /// Slots of the pools.
    slots: usize,
}

impl Sizes {
    pub(super) fn new(reservation: &Reservation, options: PlanOptions, slots: usize) -> Self {
        let (buckets, rows) = (options.buckets, reservation.tokens().len());
        Self { buckets, window: Window::new(options.window), rows, padded: buckets.round(rows), slots }
    }

    /// The pass's padding rows, or its last row where they do not suffice.
    fn padding(&self) -> impl Iterator<Item = usize> + '_ {
        (self.rows..).map(|row| row.min(self.padded - 1))
    }
}

/// A group as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupPlan {
    pub(super) chains: Vec<Chain>,
    /// Rows per chain, padding included.
    pub(super) len: usize,
    /// Row of every place. Padding repeats a chain's last row, or takes padding rows of the pass
    /// where that keeps rows in order.
    pub(super) rows: Vec<usize>,
    /// What all chains have before them, from the earliest window on.
    pub(super) trunk: Vec<Extent>,
    pub(super) suffix: KeySource,
    pub(super) suffix_len: usize,
    pub(super) window: Window,
    /// For a view: the slots that each row sees.
    pub(super) seen: Vec<Vec<Extent>>,
}

/// A chain of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Rows that are no padding; none of a chain that is padding.
    pub(super) real: usize,
    /// Tokens of its suffix before its first row.
    pub(super) before: usize,
    /// Tokens between trunk and suffix: none of its rows sees them.
    pub(super) skipped: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeySource {
    /// The group's own rows.
    NewRows,
    /// Slots, chain by chain, padded with the null slot.
    Slots(Vec<u32>),
    /// All slots up to the highest in use.
    View(Extent),
}

/// The groups of a reservation, by the kind of plan. A cascade has all short chains together and
/// every long one alone; gathering is the same without a trunk for the short ones; flat is one
/// group of all rows.
pub(super) fn groups(reservation: &Reservation, kind: PlanKind, sizes: &Sizes) -> Vec<GroupPlan> {
    if kind == PlanKind::Flat {
        return vec![GroupPlan::flat(reservation, sizes)];
    }
    let (short, long): (Vec<&Segment>, Vec<&Segment>) =
        reservation.segments().iter().partition(|segment| segment.rows.len() <= SHORT);
    let frontier = (short.len() > 1).then(|| GroupPlan::frontier(&short, reservation.slots(), kind, sizes));
    let single = if frontier.is_some() { long } else { [short, long].concat() };
    let pieces = single.into_iter().flat_map(|segment| pieces(segment, reservation.slots(), sizes.window));
    let pieces: Vec<Segment> = pieces.collect();
    let alone = frontier.is_none() && pieces.len() == 1;
    frontier.into_iter().chain(pieces.iter().map(|piece| GroupPlan::single(piece, alone, sizes))).collect()
}

/// A chain in pieces, each with the rows before it added to its prefix, of which what its first row
/// sees is left.
fn pieces(segment: &Segment, slots: &[u32], window: Window) -> Vec<Segment> {
    let mut prefix = segment.prefix.clone();
    let starts = segment.rows.clone().step_by(PIECE);
    starts
        .map(|start| {
            let rows = start..(start + PIECE).min(segment.rows.end);
            keep_last(&mut prefix, window.reach());
            let piece = Segment { rows: rows.clone(), prefix: prefix.clone() };
            rows.for_each(|row| Extent::append(&mut prefix, slots[row]));
            piece
        })
        .collect()
}

/// For every row of the reservation in order its place among the groups' rows, joined; none when
/// each is at its own place and there are as many places as the pass has rows. Padding rows take
/// any place.
pub(super) fn reorder(groups: &[GroupPlan], sizes: &Sizes) -> Option<Vec<u32>> {
    let total: usize = groups.iter().map(|group| group.rows.len()).sum();
    let mut places = places_in_order(groups);
    let in_order = total == sizes.padded && places.iter().enumerate().all(|(row, place)| row == *place as usize);
    places.resize(sizes.padded, 0);
    (!in_order).then_some(places)
}

/// For every row in order its place among the groups' rows, joined.
fn places_in_order(groups: &[GroupPlan]) -> Vec<u32> {
    let mut places: Vec<(usize, u32)> = Vec::new();
    let mut offset = 0;
    for group in groups {
        for (number, chain) in group.chains.iter().enumerate() {
            let first = number * group.len;
            places.extend((first..first + chain.real).map(|place| (group.rows[place], (offset + place) as u32)));
        }
        offset += group.rows.len();
    }
    places.sort_unstable();
    places.into_iter().map(|(_, place)| place).collect()
}

impl GroupPlan {
    /// One chain; `alone` when it is all that the pass computes. In company its padding is its own
    /// last row, so that it multiplies no number that is another's.
    fn single(segment: &Segment, alone: bool, sizes: &Sizes) -> Self {
        let (real, last) = (segment.rows.len(), segment.rows.end - 1);
        let len = sizes.buckets.round(real);
        let padding = sizes.padding().map(|row| if alone { row } else { last });
        Self {
            chains: vec![Chain { real, ..Chain::default() }],
            len,
            rows: segment.rows.clone().chain(padding).take(len).collect(),
            trunk: segment.prefix.clone(),
            suffix: KeySource::NewRows,
            suffix_len: len,
            window: sizes.window,
            seen: Vec::new(),
        }
    }

    fn flat(reservation: &Reservation, sizes: &Sizes) -> Self {
        let bound = reservation.slot_bound();
        let bound = sizes.buckets.round(bound).min(sizes.slots.max(bound));
        let mut seen = vec![Vec::new(); sizes.padded];
        for segment in reservation.segments() {
            let mut path = segment.prefix.clone();
            for row in segment.rows.clone() {
                Extent::append(&mut path, reservation.slots()[row]);
                keep_last(&mut path, sizes.window.tokens());
                seen[row].clone_from(&path);
            }
        }
        Self {
            chains: vec![Chain { real: sizes.rows, ..Chain::default() }],
            len: sizes.padded,
            rows: (0..sizes.padded).collect(),
            trunk: Vec::new(),
            suffix: KeySource::View(Extent { base: 0, len: bound as u32 }),
            suffix_len: bound,
            window: sizes.window,
            seen,
        }
    }

    fn frontier(segments: &[&Segment], slots: &[u32], kind: PlanKind, sizes: &Sizes) -> Self {
        let longest = segments.iter().map(|segment| segment.rows.len()).max().unwrap_or(0);
        let (count, len) = (sizes.buckets.round(segments.len()), sizes.buckets.round(longest));
        let mut trunk = if kind == PlanKind::Gather { Vec::new() } else { common_prefix(segments) };
        let mut chains = chains(segments, length(&trunk), sizes.window);
        // The first row of the chain that begins soonest after the trunk sees the most of it.
        let soonest = chains.iter().map(|chain| chain.skipped + chain.before).min().unwrap_or(0);
        keep_last(&mut trunk, sizes.window.reach().saturating_sub(soonest));
        let suffix_len = sizes.buckets.round(chains.iter().map(|chain| chain.before + chain.real).max().unwrap_or(0));
        let suffixes = suffixes(segments, &chains, slots, suffix_len, count);
        let row = |segment: &Segment, place: usize| segment.rows.start + place.min(segment.rows.len() - 1);
        let rows = segments.iter().flat_map(|segment| (0..len).map(|place| row(segment, place)));
        let rows = rows.chain(sizes.padding()).take(count * len).collect();
        chains.resize(count, Chain::default());
        Self {
            chains,
            len,
            rows,
            trunk,
            suffix: KeySource::Slots(suffixes),
            suffix_len,
            window: sizes.window,
            seen: Vec::new(),
        }
    }

    /// Slots of the trunk, padded with the null slot.
    pub(super) fn trunk_slots(&self, buckets: Buckets) -> Vec<u32> {
        let mut slots: Vec<u32> = self.trunk.iter().flat_map(|extent| extent.slots()).collect();
        slots.resize(buckets.round(slots.len()), 0);
        slots
    }

    /// Number of tokens in the trunk.
    pub(super) fn trunk_len(&self) -> usize {
        length(&self.trunk)
    }
}

/// The chains of segments that have `trunk` tokens in common, each with what its first row sees
/// between the trunk and itself.
fn chains(segments: &[&Segment], trunk: usize, window: Window) -> Vec<Chain> {
    let chain = |segment: &&Segment| {
        let between = segment.prefix_len() - trunk;
        let before = between.min(window.reach());
        Chain { real: segment.rows.len(), before, skipped: between - before }
    };
    segments.iter().map(chain).collect()
}

/// Slots of all suffixes, each padded with the null slot to `len`, and `count` of them.
fn suffixes(segments: &[&Segment], chains: &[Chain], slots: &[u32], len: usize, count: usize) -> Vec<u32> {
    let mut padded = Vec::with_capacity(count * len);
    for (segment, chain) in segments.iter().zip(chains) {
        let mut stored = segment.prefix.clone();
        keep_last(&mut stored, chain.before);
        let stored = stored.iter().flat_map(|extent| extent.slots());
        let suffix = stored.chain(segment.rows.clone().map(|row| slots[row]));
        padded.extend(suffix.chain(std::iter::repeat(0)).take(len));
    }
    padded.resize(count * len, 0);
    padded
}
