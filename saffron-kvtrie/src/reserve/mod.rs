//! What a batch of contexts has to compute. Rows are the tokens that no cache holds; a reservation gives each a slot and says what
//! it attends to. Nothing can match a row before it is committed, and a reservation that is dropped frees what it held.

mod rows;
mod want;

pub(crate) use rows::{Context, Rows};
pub use want::{Reuse, Want};

use std::borrow::Cow;
use std::ops::Range;

use crate::inbox::{Held, Inbox, Message};
use crate::index::{Extent, NodeRef};
use crate::sync::Arc;

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
    /// Rows after the anchor that an earlier context was the first to ask for.
    pub(crate) shared: Vec<Range<u32>>,
    /// The rows after those.
    pub(crate) own: Range<u32>,
    /// Tokens of the whole context that stay.
    pub(crate) keep: usize,
    /// Positions that this context was the first of the batch to ask for.
    pub(crate) computed: Range<usize>,
    pub(crate) output: usize,
}

impl Place {
    /// Number of rows after the anchor.
    pub(crate) fn row_count(&self) -> usize {
        self.shared.iter().chain([&self.own]).map(ExactSizeIterator::len).sum()
    }

    /// The first `count` rows after the anchor, or all of them.
    pub(crate) fn rows(&self, count: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        let runs = self.shared.iter().chain([&self.own]);
        runs.scan(count, |left, run| {
            let len = run.len().min(*left);
            *left -= len;
            Some(run.start as usize..run.start as usize + len)
        })
    }

    /// The values of these rows: as they stand where the context shares none.
    pub(crate) fn pick<'a>(&self, values: &'a [u32], count: usize) -> Cow<'a, [u32]> {
        if self.shared.is_empty() {
            Cow::Borrowed(&values[self.own.start as usize..][..self.own.len().min(count)])
        } else {
            Cow::Owned(self.rows(count).flat_map(|run| &values[run]).copied().collect())
        }
    }
}

/// Slots for the rows of a batch, from the asking until commit or drop.
#[derive(Debug)]
pub struct Reservation {
    pub(crate) tokens: Vec<u32>,
    pub(crate) positions: Vec<u32>,
    pub(crate) slots: Vec<u32>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) places: Vec<Place>,
    pub(crate) inbox: Arc<Inbox>,
    /// Rows that are not written only read again what is stored. None once it is committed.
    pub(crate) held: Option<Held>,
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
        self.held.as_ref().map_or_else(Vec::new, |held| held.writes.stretches().to_vec())
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
        let slots = self.slots.iter().max().map(|slot| *slot as usize + 1);
        prefixes.chain(slots).max().unwrap_or(1)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.inbox.push(Message::Release(held));
        }
    }
}
