//! Grouping the rows of a reservation: integers only.

use super::{Buckets, PlanKind};
use crate::index::Extent;
use crate::reserve::{Reservation, Segment};

/// Chains up to this length are attended together, padded to the longest.
const SHORT: usize = 8;

/// Longer chains are attended in pieces of this many rows. All that stands before a piece is its trunk, the chain's own earlier rows
/// included (a layer's rows are written before they are read), so that only a piece's own square of scores is half hidden.
const PIECE: usize = 64;

/// How much a pass has to compute, and how its sizes are rounded up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) buckets: Buckets,
    /// Rows of the reservation.
    rows: usize,
    /// Rows of the pass: those of the reservation, and padding that writes nothing.
    pub(super) padded: usize,
    /// Slots of the pools.
    slots: usize,
}

impl Sizes {
    pub(super) fn new(reservation: &Reservation, buckets: Buckets, slots: usize) -> Self {
        let rows = reservation.tokens().len();
        Self { buckets, rows, padded: buckets.round(rows), slots }
    }

    /// The pass's padding rows, or its last row where they do not suffice.
    fn padding(&self) -> impl Iterator<Item = usize> + '_ {
        (self.rows..).map(|row| row.min(self.padded - 1))
    }
}

/// A group as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupPlan {
    pub(super) chains: usize,
    /// Rows per chain, padding included.
    pub(super) len: usize,
    /// Row of every place. Padding repeats a chain's last row, or takes padding rows of the pass where that keeps rows in order.
    pub(super) rows: Vec<usize>,
    /// Rows of each chain that are no padding; none of a chain that is padding.
    real: Vec<usize>,
    pub(super) trunk: Vec<Extent>,
    pub(super) suffix: KeySource,
    pub(super) suffix_len: usize,
    /// Suffix tokens of each chain that stand before its first row.
    before: Vec<usize>,
    /// For a view: the slots that each row sees.
    seen: Vec<Vec<Extent>>,
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

/// The groups of a reservation, by the kind of plan. A cascade has all short chains together and every long one alone; gathering is the
/// same without a trunk for the short ones; flat is one group of all rows.
pub(super) fn groups(reservation: &Reservation, kind: PlanKind, sizes: &Sizes) -> Vec<GroupPlan> {
    if kind == PlanKind::Flat {
        return vec![GroupPlan::flat(reservation, sizes)];
    }
    let (short, long): (Vec<&Segment>, Vec<&Segment>) =
        reservation.segments().iter().partition(|segment| segment.rows.len() <= SHORT);
    let frontier = (short.len() > 1).then(|| GroupPlan::frontier(&short, reservation.slots(), kind, sizes));
    let single = if frontier.is_some() { long } else { [short, long].concat() };
    let pieces: Vec<Segment> = single.into_iter().flat_map(|segment| pieces(segment, reservation.slots())).collect();
    let alone = frontier.is_none() && pieces.len() == 1;
    frontier.into_iter().chain(pieces.iter().map(|piece| GroupPlan::single(piece, alone, sizes))).collect()
}

/// A chain in pieces, each with the rows before it added to its prefix.
fn pieces(segment: &Segment, slots: &[u32]) -> Vec<Segment> {
    let mut prefix = segment.prefix.clone();
    let starts = segment.rows.clone().step_by(PIECE);
    starts
        .map(|start| {
            let rows = start..(start + PIECE).min(segment.rows.end);
            let piece = Segment { rows: rows.clone(), prefix: prefix.clone() };
            rows.for_each(|row| Extent::append(&mut prefix, slots[row]));
            piece
        })
        .collect()
}

/// For every row of the reservation in order its place among the groups' rows, joined; none when each is at its own place and there are
/// as many places as the pass has rows. Padding rows take any place.
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
        for (chain, real) in group.real.iter().enumerate() {
            let first = chain * group.len;
            places.extend((first..first + real).map(|place| (group.rows[place], (offset + place) as u32)));
        }
        offset += group.rows.len();
    }
    places.sort_unstable();
    places.into_iter().map(|(_, place)| place).collect()
}

impl GroupPlan {
    /// One chain; `alone` when it is all that the pass computes. In company its padding is its own last row, so that it multiplies no
    /// number that is another's.
    fn single(segment: &Segment, alone: bool, sizes: &Sizes) -> Self {
        let (real, last) = (segment.rows.len(), segment.rows.end - 1);
        let len = sizes.buckets.round(real);
        let padding = sizes.padding().map(|row| if alone { row } else { last });
        Self {
            chains: 1,
            len,
            rows: segment.rows.clone().chain(padding).take(len).collect(),
            real: vec![real],
            trunk: segment.prefix.clone(),
            suffix: KeySource::NewRows,
            suffix_len: len,
            before: vec![0],
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
                seen[row].clone_from(&path);
            }
        }
        Self {
            chains: 1,
            len: sizes.padded,
            rows: (0..sizes.padded).collect(),
            real: vec![sizes.rows],
            trunk: Vec::new(),
            suffix: KeySource::View(Extent { base: 0, len: bound as u32 }),
            suffix_len: bound,
            before: Vec::new(),
            seen,
        }
    }

    fn frontier(segments: &[&Segment], slots: &[u32], kind: PlanKind, sizes: &Sizes) -> Self {
        let longest = segments.iter().map(|segment| segment.rows.len()).max().unwrap_or(0);
        let (chains, len) = (sizes.buckets.round(segments.len()), sizes.buckets.round(longest));
        let trunk = if kind == PlanKind::Gather { Vec::new() } else { common_prefix(segments) };
        let trunk_len: usize = trunk.iter().map(|extent| extent.len as usize).sum();
        let mut before: Vec<usize> = segments.iter().map(|segment| segment.prefix_len() - trunk_len).collect();
        let lengths = segments.iter().zip(&before).map(|(segment, before)| before + segment.rows.len());
        let suffix_len = sizes.buckets.round(lengths.max().unwrap_or(0));
        let mut padded = Vec::with_capacity(chains * suffix_len);
        for segment in segments {
            let stored = segment.prefix.iter().flat_map(|extent| extent.slots()).skip(trunk_len);
            let suffix = stored.chain(segment.rows.clone().map(|row| slots[row]));
            padded.extend(suffix.chain(std::iter::repeat(0)).take(suffix_len));
        }
        let row = |segment: &Segment, place: usize| segment.rows.start + place.min(segment.rows.len() - 1);
        let rows = segments.iter().flat_map(|segment| (0..len).map(|place| row(segment, place)));
        let mut real: Vec<usize> = segments.iter().map(|segment| segment.rows.len()).collect();
        padded.resize(chains * suffix_len, 0);
        before.resize(chains, 0);
        real.resize(chains, 0);
        Self {
            chains,
            len,
            rows: rows.chain(sizes.padding()).take(chains * len).collect(),
            real,
            trunk,
            suffix: KeySource::Slots(padded),
            suffix_len,
            before,
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
        self.trunk.iter().map(|extent| extent.len as usize).sum()
    }

    /// Which suffix keys each folded query row must not see, or `None` when each may see all: `[chains, len · group, suffix]`.
    ///
    /// A row sees the suffix tokens before its chain and the chain's rows up to itself. The group is folded into the query rows, so
    /// causality counts rows, not folded rows.
    pub(super) fn hidden(&self, group: usize) -> Option<Vec<bool>> {
        if !self.seen.is_empty() {
            return Some(self.unseen(group));
        }
        let visible = |chain: usize, place: usize| {
            let real = self.real[chain].min(place + 1);
            self.before[chain] + real
        };
        let places = (0..self.chains).flat_map(|chain| (0..self.len).map(move |place| (chain, place)));
        if places.clone().all(|(chain, place)| visible(chain, place) == self.suffix_len) {
            return None;
        }
        let mut hidden = Vec::with_capacity(self.chains * self.len * group * self.suffix_len);
        for (chain, place) in places {
            let seen = visible(chain, place);
            for _ in 0..group {
                hidden.extend((0..self.suffix_len).map(|key| key >= seen));
            }
        }
        Some(hidden)
    }
}

impl GroupPlan {
    /// All slots of a view that are not on a row's path.
    fn unseen(&self, group: usize) -> Vec<bool> {
        let mut hidden = vec![true; self.len * group * self.suffix_len];
        for (row, part) in hidden.chunks_mut(self.suffix_len).enumerate() {
            for extent in &self.seen[row / group] {
                part[extent.base as usize..extent.end() as usize].fill(false);
            }
        }
        hidden
    }
}

/// The slots that all prefixes begin with.
pub(super) fn common_prefix(segments: &[&Segment]) -> Vec<Extent> {
    let mut common: Vec<Extent> = segments.first().map(|segment| segment.prefix.clone()).unwrap_or_default();
    for segment in segments {
        common = common_extents(&common, &segment.prefix);
    }
    common
}

/// The slots that two paths begin with.
pub(super) fn common_extents(a: &[Extent], b: &[Extent]) -> Vec<Extent> {
    let mut shared: Vec<Extent> = Vec::new();
    for (a, b) in a.iter().zip(b) {
        if a.base != b.base {
            break;
        }
        let len = a.len.min(b.len);
        shared.push(Extent { base: a.base, len });
        if a.len != b.len {
            break;
        }
    }
    shared
}
