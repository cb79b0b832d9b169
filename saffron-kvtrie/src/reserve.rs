//! What a batch of contexts has to compute. Rows are the tokens that no cache holds; a reservation gives each a slot and says what
//! it attends to. Nothing can match a row before it is committed, and a reservation that is dropped frees what it held.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::inbox::{Held, Inbox, Message};
use crate::index::{Extent, NodeRef};

/// One context of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// How many of them stay in the trie after the commit; the rest is scratch.
    pub keep: usize,
}

impl<'a> Want<'a> {
    /// A context that stays whole.
    #[must_use]
    pub fn keep(tokens: &'a [u32]) -> Self {
        Self { tokens, keep: tokens.len() }
    }

    /// A context whose last `scratch` tokens are of use only now: a guard's question after the text it judges.
    #[must_use]
    pub fn with_scratch(tokens: &'a [u32], scratch: usize) -> Self {
        Self { tokens, keep: tokens.len().saturating_sub(scratch) }
    }
}

/// Whether contexts may use what is stored and what others of the batch compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// They may; what they keep stays.
    Cached,
    /// Every context is computed from its first token, and nothing stays: the baseline to compare with.
    Nothing,
}

/// Consecutive rows, each the child of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The rows.
    pub rows: Range<usize>,
    /// Slots of all that stands before the first row, in order.
    pub prefix: Vec<Extent>,
}

impl Segment {
    /// Number of tokens before the first row.
    #[must_use]
    pub fn prefix_len(&self) -> usize {
        self.prefix.iter().map(|extent| extent.len as usize).sum()
    }
}

/// Where one context's rows lie.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) anchor: NodeRef,
    /// Tokens stored up to the anchor.
    pub(crate) stored: usize,
    /// Rows after the anchor, some of them perhaps first asked for by an earlier context.
    pub(crate) rows: Vec<u32>,
    pub(crate) keep: usize,
    /// Positions that this context was the first of the batch to ask for.
    pub(crate) computed: Range<usize>,
    pub(crate) output: usize,
}

/// Slots for the rows of a batch, from the asking until commit or drop.
#[derive(Debug)]
pub struct Reservation {
    pub(crate) tokens: Vec<u32>,
    pub(crate) positions: Vec<u32>,
    pub(crate) slots: Vec<u32>,
    /// Rows before this one are written to their slots; those after only read again what is stored.
    pub(crate) written: usize,
    pub(crate) segments: Vec<Segment>,
    pub(crate) places: Vec<Place>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) held: Held,
}

impl Reservation {
    /// Token of every row.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Position of every row in its context, from 0: the index of its rotary embedding.
    #[must_use]
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// Slot of every row.
    #[must_use]
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// The rows in chains.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The rows that are written, as pairs of first row and slots: one pair where the slots are contiguous.
    #[must_use]
    pub fn writes(&self) -> Vec<(usize, Extent)> {
        let mut writes: Vec<(usize, Extent)> = Vec::new();
        for (row, slot) in self.slots[..self.written].iter().enumerate() {
            match writes.last_mut() {
                Some((_, extent)) if extent.end() == *slot => extent.len += 1,
                _ => writes.push((row, Extent { base: *slot, len: 1 })),
            }
        }
        writes
    }

    /// For each context the row of its last token.
    pub fn outputs(&self) -> impl Iterator<Item = usize> + '_ {
        self.places.iter().map(|place| place.output)
    }

    /// For each context the positions that are computed on its account: those that neither the trie nor an earlier context of
    /// the batch has.
    pub fn computed(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.places.iter().map(|place| place.computed.clone())
    }

    /// One more than the highest slot that is read or written.
    #[must_use]
    pub fn slot_bound(&self) -> usize {
        let prefixes = self.segments.iter().flat_map(|segment| &segment.prefix).map(|extent| extent.end() as usize);
        prefixes.chain(self.slots.iter().map(|slot| *slot as usize + 1)).max().unwrap_or(1)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.inbox.push(Message::Release(std::mem::take(&mut self.held)));
    }
}

/// The row or node that a row follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Above {
    Node(NodeRef),
    Row(u32),
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
    /// Stored contexts whose last token is computed again for its output, and the contexts that ask for it.
    requeries: Vec<(NodeRef, u32, u32, Vec<usize>)>,
}

impl Rows {
    /// For a batch of so many contexts.
    pub(crate) fn new(contexts: usize, reuse: Reuse) -> Self {
        Self { sharing: contexts > 1 && reuse == Reuse::Cached, ..Self::default() }
    }

    /// Adds the rows of a context of which the trie holds the first `stored` tokens, ending at `anchor`.
    pub(crate) fn add(&mut self, want: Want<'_>, anchor: NodeRef, stored: usize) {
        let (rows, first_new) =
            if self.sharing { self.shared_rows(want, anchor, stored) } else { self.own_rows(want, stored) };
        let computed = first_new..want.tokens.len();
        let output = rows.last().map_or(usize::MAX, |row| *row as usize);
        self.places.push(Place { anchor, stored, rows, keep: want.keep, computed, output });
        if stored == want.tokens.len() {
            self.add_requery(anchor, want.tokens[stored - 1], stored as u32 - 1);
        }
    }

    /// The rows of a context that shares none of them with another, and the position of the first.
    fn own_rows(&mut self, want: Want<'_>, stored: usize) -> (Vec<u32>, usize) {
        let first = self.tokens.len() as u32;
        self.tokens.extend_from_slice(&want.tokens[stored..]);
        self.positions.extend(stored as u32..want.tokens.len() as u32);
        ((first..self.tokens.len() as u32).collect(), stored)
    }

    /// The rows of a context, those that an earlier one has among them, and the position of the first new one.
    fn shared_rows(&mut self, want: Want<'_>, anchor: NodeRef, stored: usize) -> (Vec<u32>, usize) {
        let mut rows = Vec::with_capacity(want.tokens.len() - stored);
        let (mut above, mut first_new) = (Above::Node(anchor), want.tokens.len());
        for (position, token) in want.tokens.iter().enumerate().skip(stored) {
            let next = self.tokens.len() as u32;
            let row = *self.known.entry((above, *token)).or_insert(next);
            if row == next {
                self.tokens.push(*token);
                self.positions.push(position as u32);
                first_new = first_new.min(position);
            }
            rows.push(row);
            above = Above::Row(row);
        }
        (rows, first_new)
    }

    fn add_requery(&mut self, anchor: NodeRef, token: u32, position: u32) {
        let place = self.places.len() - 1;
        if let Some((.., askers)) = self.requeries.iter_mut().find(|(node, ..)| *node == anchor) {
            askers.push(place);
            return;
        }
        self.places[place].computed = position as usize..position as usize + 1;
        self.requeries.push((anchor, token, position, vec![place]));
    }

    /// Number of rows that need slots.
    pub(crate) fn new_rows(&self) -> usize {
        self.positions.len()
    }

    /// The chains of new rows: where a context's own new rows begin, everything before them is its prefix.
    pub(crate) fn segments(&self, slots: &[u32], path: impl Fn(NodeRef) -> Vec<Extent>) -> Vec<Segment> {
        let mut segments = Vec::new();
        for place in self.places.iter().filter(|place| !place.rows.is_empty() && !place.computed.is_empty()) {
            let shared = place.computed.start - place.stored;
            let rows = place.rows[shared] as usize..place.rows[shared] as usize + place.computed.len();
            let mut prefix = path(place.anchor);
            place.rows[..shared].iter().for_each(|row| Extent::append(&mut prefix, slots[*row as usize]));
            segments.push(Segment { rows, prefix });
        }
        segments
    }

    /// Appends the requeries as rows that write nothing. Returns their segments.
    pub(crate) fn append_requeries(
        &mut self,
        slots: &mut Vec<u32>,
        path: impl Fn(NodeRef) -> Vec<Extent>,
    ) -> Vec<Segment> {
        let mut segments = Vec::new();
        for (anchor, token, position, askers) in std::mem::take(&mut self.requeries) {
            let row = self.tokens.len();
            let mut prefix = path(anchor);
            slots.push(pop(&mut prefix));
            self.tokens.push(token);
            self.positions.push(position);
            askers.iter().for_each(|place| self.places[*place].output = row);
            segments.push(Segment { rows: row..row + 1, prefix });
        }
        segments
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
