//! How fast groups were labelled. No part of any comparison of runs.

use std::path::Path;
use std::time::Instant;

use saffron_search::eval::files::{FileError, Journal};
use serde::{Deserialize, Serialize};

use super::Group;

/// A group, as it was labelled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelLogLine {
    /// Its number.
    pub group: usize,
    /// Its replies.
    pub replies: usize,
    /// Reply tokens with a reward.
    pub tokens: usize,
    /// Wall time, replies of a policy included.
    pub seconds: f64,
    /// Rewards a second.
    pub tokens_per_second: f64,
    /// Tokens of all prefixes that the guard was asked for.
    pub asked_tokens: u64,
    /// Of these, tokens that went through its layers.
    pub computed_tokens: u64,
    /// What that took, in TFLOP.
    pub computed_tflop: f64,
}

/// `log.jsonl`, a line a group.
#[derive(Debug)]
pub struct LabelLog {
    lines: Journal<LabelLogLine>,
    begun: Instant,
}

impl LabelLog {
    /// Goes on with the log of a run, or begins one.
    ///
    /// # Errors
    ///
    /// A log that is broken or cannot be opened.
    pub fn open(dir: &Path) -> Result<Self, FileError> {
        Ok(Self { lines: Journal::open(dir.join("log.jsonl"))?, begun: Instant::now() })
    }

    /// Writes that a group has ended, which began when the one before it ended.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub fn ended(&mut self, group: &Group<'_>) -> Result<(), FileError> {
        let now = Instant::now();
        // A clock may stand still for a group of empty replies.
        let seconds = now.duration_since(self.begun).as_secs_f64().max(1e-9);
        let tokens = group.records.iter().map(|record| record.rewards.len()).sum();
        self.lines.append(&LabelLogLine {
            group: group.number,
            replies: group.records.len(),
            tokens,
            seconds,
            tokens_per_second: tokens as f64 / seconds,
            asked_tokens: group.work.asked,
            computed_tokens: group.work.computed.tokens,
            computed_tflop: group.work.computed.flops as f64 / 1e12,
        })?;
        self.begun = now;
        Ok(())
    }
}
