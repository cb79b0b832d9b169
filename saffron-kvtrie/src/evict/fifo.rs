//! First in, first out.

use super::ranked::{Ranked, Rule};

/// Evicts the leaf that was stored first, however often it was used.
pub type Fifo = Ranked<Stored>;

/// When a node was stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored;

impl Rule for Stored {
    type Key = u64;

    fn added(_: u64, now: u64) -> u64 {
        now
    }

    fn used(key: u64, _: u64) -> u64 {
        key
    }
}
