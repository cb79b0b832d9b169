//! What a line of a trace says.

use saffron_core::{Level, ModelCall, Outcome, SearchStart, TreeChange};
use serde::{Deserialize, Serialize};

use super::ScoreSummary;

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", expecting = "an object whose `event` says what it is")]
pub enum TraceEvent {
    /// The search began.
    Start(SearchStart),
    /// A model answered.
    Call(ModelCall),
    /// The candidates of a node got their rewards; the trace keeps a summary.
    Score(ScoreSummary),
    /// The tree changed.
    Change(TreeChange),
    /// A level was complete.
    Level(Level),
    /// The search ended.
    Finish(Box<Outcome>),
}
