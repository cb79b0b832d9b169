//! What a model call cost. Only the model knows; the meter adds it up.

use std::iter::Sum;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::ModelError;

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

/// A model's answer and, session by session, what it cost.
///
/// The entries of `work` belong to the sessions of the call in order. What a batch computed once for several sessions is
/// entered with the first of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<T> {
    /// The answer.
    pub value: T,
    /// One entry a session.
    pub work: Vec<Work>,
}

impl<T> Reply<T> {
    /// An answer that took no model: `sessions` entries of nothing.
    pub fn free(value: T, sessions: usize) -> Self {
        Self { value, work: vec![Work::default(); sessions] }
    }

    /// The reply, if it has one entry of work a session.
    ///
    /// # Errors
    ///
    /// Another number of entries.
    pub fn with_work_of(self, sessions: usize) -> Result<Self, ModelError> {
        match self.work.len() {
            found if found == sessions => Ok(self),
            found => Err(ModelError::BatchMismatch { what: "work entries of a batch", expected: sessions, found }),
        }
    }

    /// The same cost with another answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: change(self.value), work: self.work }
    }

    /// The cost of the whole call.
    #[must_use]
    pub fn total(&self) -> Work {
        self.work.iter().copied().sum()
    }
}
