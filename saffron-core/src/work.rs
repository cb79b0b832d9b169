//! What a model call cost. Only the model knows; the meter adds it up.

use std::iter::Sum;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Amounts of one or several forward passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// Token positions that went through the layers.
    pub tokens: u64,
    /// Query–key pairs: for each such position, the number of positions that it attends to, itself included.
    pub pairs: u64,
    /// Positions that went through the unembedding.
    pub outputs: u64,
    /// Floating-point operations in closed form, two for a multiply-add.
    pub flops: u64,
}

impl AddAssign for Forwarded {
    fn add_assign(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.pairs += other.pairs;
        self.outputs += other.outputs;
        self.flops = self.flops.saturating_add(other.flops);
    }
}

/// The cost of one model call.
///
/// `computed` is what really ran: a cache hit is free. `attributed` is what would have run had each search in the batch begun
/// with an empty cache and kept all it computed; it does not depend on run order, neighbours, eviction or resuming, so budgets
/// and comparisons use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Tokens of all contexts asked for.
    pub asked: u64,
    /// Of these, the tokens served from the cache or computed once for several contexts.
    pub cached: u64,
    /// Of these, the tokens of which nobody knows whether they were served from a cache or computed: an engine elsewhere may not say.
    #[serde(default)]
    pub unknown: u64,
    /// What really ran.
    pub computed: Forwarded,
    /// What this search alone is answerable for.
    pub attributed: Forwarded,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.cached += other.cached;
        self.unknown += other.unknown;
        self.computed += other.computed;
        self.attributed += other.attributed;
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::default(), |mut total, item| {
            total += item;
            total
        })
    }
}
