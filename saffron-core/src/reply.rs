//! A model's answer with its cost.

use crate::error::ModelError;
use crate::work::Work;

/// A model's answer and, session by session, what it cost.
///
/// The entries of `work` belong to the sessions of the call in order. What a batch computed once
/// for several sessions is entered with the first of them.
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
