//! Rows of a batch while they are collected.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::{Place, Reuse, Segment};
use crate::index::{Extent, NodeRef};
use crate::writes::Writes;

/// A context as the trie sees it: what is stored of it, and the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// Where the stored part ends.
    pub(crate) anchor: NodeRef,
    /// Its length.
    pub(crate) stored: usize,
    /// The tokens after it.
    pub(crate) rest: &'a [u32],
    /// Tokens of the whole context that stay.
    pub(crate) keep: usize,
}

impl Context<'_> {
    fn len(&self) -> usize {
        self.stored + self.rest.len()
    }
}

/// The row or node that a row follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Above {
    Node(NodeRef),
    Row(u32),
}

/// A stored context whose last token is computed again for its output.
#[derive(Debug)]
struct Requery {
    node: NodeRef,
    token: u32,
    position: u32,
    /// The contexts that ask for it.
    askers: Vec<usize>,
}

/// Rows of a batch while they are collected; slots come later.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) tokens: Vec<u32>,
    pub(crate) positions: Vec<u32>,
    pub(crate) places: Vec<Place>,
    /// Whether rows of different contexts may be the same.
    sharing: bool,
    known: FxHashMap<(Above, u32), u32>,
    requeries: Vec<Requery>,
    requery_of: FxHashMap<NodeRef, usize>,
}

impl Rows {
    /// For a batch of so many contexts.
    pub(crate) fn new(contexts: usize, reuse: Reuse) -> Self {
        Self { sharing: contexts > 1 && reuse == Reuse::Cached, ..Self::default() }
    }

    /// Adds the rows of a context. One that is stored whole gives its last token, which is computed again.
    pub(crate) fn add(&mut self, context: Context<'_>, last: Option<u32>) {
        let before = self.tokens.len() as u32;
        let shared = if self.sharing { self.shared_rows(context) } else { self.own_rows(context) };
        let (own, Context { anchor, stored, keep, .. }) = (before..self.tokens.len() as u32, context);
        let last_row = [&own].into_iter().chain(shared.last()).find(|run| !run.is_empty());
        let output = last_row.map_or(usize::MAX, |run| run.end as usize - 1);
        let computed = context.len() - own.len()..context.len();
        self.places.push(Place { anchor, stored, shared, own, keep, computed, output });
        if let Some(token) = last {
            self.add_requery(anchor, token, stored as u32 - 1);
        }
    }

    /// Adds all rows of a context, which shares none of them with another.
    fn own_rows(&mut self, context: Context<'_>) -> Vec<Range<u32>> {
        self.tokens.extend_from_slice(context.rest);
        self.positions.extend(context.stored as u32..context.len() as u32);
        Vec::new()
    }

    /// Adds the rows of a context that no earlier one has. Returns those that one has: they come first.
    fn shared_rows(&mut self, context: Context<'_>) -> Vec<Range<u32>> {
        let (mut shared, mut above) = (Vec::new(), Above::Node(context.anchor));
        for (position, token) in (context.stored..).zip(context.rest) {
            let next = self.tokens.len() as u32;
            let row = *self.known.entry((above, *token)).or_insert(next);
            if row == next {
                self.tokens.push(*token);
                self.positions.push(position as u32);
            } else {
                append(&mut shared, row);
            }
            above = Above::Row(row);
        }
        shared
    }

    fn add_requery(&mut self, node: NodeRef, token: u32, position: u32) {
        let place = self.places.len() - 1;
        let next = self.requeries.len();
        let found = *self.requery_of.entry(node).or_insert(next);
        if found < next {
            self.requeries[found].askers.push(place);
            return;
        }
        self.places[place].computed = position as usize..position as usize + 1;
        self.requeries.push(Requery { node, token, position, askers: vec![place] });
    }

    /// Number of rows that need slots.
    pub(crate) fn new_rows(&self) -> usize {
        self.positions.len()
    }

    /// The chains of new rows: where a context's own new rows begin, everything before them is its prefix.
    pub(crate) fn segments(&self, writes: &Writes, mut path: impl FnMut(NodeRef) -> Vec<Extent>) -> Vec<Segment> {
        let mut segments = Vec::new();
        for place in self.places.iter().filter(|place| !place.own.is_empty()) {
            let rows = place.own.start as usize..place.own.end as usize;
            let mut prefix = path(place.anchor);
            let shared = place.shared.iter().map(|run| run.start as usize..run.end as usize);
            shared.flat_map(|run| writes.of(run)).for_each(|slots| Extent::join(&mut prefix, slots));
            segments.push(Segment { rows, prefix });
        }
        segments
    }

    /// Appends the requeries as rows that write nothing. Returns their segments.
    pub(crate) fn append_requeries(
        &mut self,
        slots: &mut Vec<u32>,
        mut path: impl FnMut(NodeRef) -> Vec<Extent>,
    ) -> Vec<Segment> {
        let mut segments = Vec::new();
        for Requery { node, token, position, askers } in std::mem::take(&mut self.requeries) {
            let row = self.tokens.len();
            let mut prefix = path(node);
            slots.push(pop(&mut prefix));
            self.tokens.push(token);
            self.positions.push(position);
            askers.iter().for_each(|place| self.places[*place].output = row);
            segments.push(Segment { rows: row..row + 1, prefix });
        }
        segments
    }
}

/// Adds a row to runs of rows, joined to the last if it follows it.
fn append(runs: &mut Vec<Range<u32>>, row: u32) {
    match runs.last_mut() {
        Some(last) if last.end == row => last.end += 1,
        _ => runs.push(row..row + 1),
    }
}

/// Takes the last slot off a path that has one; the null slot off one that has none.
fn pop(path: &mut Vec<Extent>) -> u32 {
    let Some(extent) = path.last_mut() else { return 0 };
    extent.len -= 1;
    let slot = extent.end();
    if extent.len == 0 {
        path.pop();
    }
    slot
}
