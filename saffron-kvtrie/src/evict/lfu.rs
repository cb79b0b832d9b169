//! Least frequently used first.

use super::ranked::{Ranked, Rule};

/// Evicts the leaf at which the fewest contexts ended; among equals the one whose last use lies furthest back.
pub type Lfu = Ranked<Uses>;

/// How many contexts ended at a node, and when the last did.
#[derive(Clone, Copy, Debug)]
pub struct Uses;

impl Rule for Uses {
    type Key = (u64, u64);

    fn added(_: Self::Key, now: u64) -> Self::Key {
        (0, now)
    }

    fn used((uses, _): Self::Key, now: u64) -> Self::Key {
        (uses + 1, now)
    }
}
