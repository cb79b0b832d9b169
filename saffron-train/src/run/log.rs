//! What a run says while it goes on.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::trainer::Step;

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", expecting = "an object whose `kind` says what it is")]
pub enum Line {
    /// A step.
    Step {
        /// Its number, from 1.
        step: u64,
        /// Its epoch, from 0.
        epoch: u64,
        /// What it did.
        #[serde(flatten)]
        done: Step,
        /// How long it took. No part of any comparison of runs.
        seconds: f64,
    },
    /// A validation.
    Validation {
        /// After this step.
        step: u64,
        /// The number that is to fall.
        score: f64,
        /// The objective's report.
        report: Value,
        /// How long it took.
        seconds: f64,
    },
}

impl Line {
    /// The line without its time, for comparing runs.
    #[must_use]
    pub fn without_time(mut self) -> Self {
        let (Self::Step { seconds, .. } | Self::Validation { seconds, .. }) = &mut self;
        *seconds = 0.0;
        self
    }
}

/// Watches a run: progress bars, dashboards, early stopping.
pub trait TrainObserver {
    /// The run goes on after `done` of `total` steps.
    fn on_start(&mut self, done: u64, total: u64) {
        let _ = (done, total);
    }

    /// A line has been written. `Break` ends the run after a checkpoint; it can be taken up again.
    fn on_line(&mut self, line: &Line) -> ControlFlow<()>;
}
