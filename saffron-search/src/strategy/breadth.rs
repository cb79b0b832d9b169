//! What the strategies are told that let the best of several continuations go on.

use std::fmt;

use saffron_core::{ConfigError, SearchError};

use super::{PathScore, Steps};

/// How many sequences are written at a time, how many of them continue the same one, what a step is, and what decides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Breadth {
    pub(super) sequences: usize,
    pub(super) children: usize,
    pub(super) steps: Steps,
    pub(super) score: PathScore,
}

impl Breadth {
    pub(super) fn new(sequences: usize, children: usize) -> Self {
        Self { sequences, children, steps: Steps::default(), score: PathScore::Last }
    }

    /// Sequences that survive a step, or trees that are grown.
    pub(super) fn survivors(&self) -> usize {
        self.sequences.div_ceil(self.children)
    }

    /// Refuses what is zero; `sequences` is what the strategy calls its sequences.
    pub(super) fn check(&self, sequences: &'static str) -> Result<(), SearchError> {
        for (what, count) in [(sequences, self.sequences), ("children", self.children)] {
            if count == 0 {
                return Err(ConfigError::Zero { what }.into());
            }
        }
        Ok(self.steps.check()?)
    }
}

impl fmt::Display for Breadth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, children, steps, score } = self;
        write!(f, "{sequences}, children {children}, steps of {}, score {score}", steps.tokens)
    }
}
