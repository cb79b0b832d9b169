//! Writing a search as JSON lines while it runs.

use std::io::{self, Write};
use std::ops::ControlFlow;

use saffron_core::{
    Candidates, ChildReward, Level, ModelCall, NodeId, Outcome, SearchObserver, SearchStart, TreeChange,
};

use super::{DEFAULT_CANDIDATES, ScoreSummary, SummaryObserver, TraceEvent};

/// An observer that writes one JSON object a line.
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_search::trace::JsonlTrace;
/// use saffron_search::{Greedy, Searcher};
/// let mut policy = TablePolicy::new(vec![1.0, 0.0], vec![0]);
/// let mut trace = JsonlTrace::new(Vec::new());
/// let session = policy.session(&[1])?;
/// Searcher::new(Greedy).run_observed(&session, &mut policy, &mut ScriptedReward::new(0.0), &mut trace)?;
/// let lines = String::from_utf8(trace.finish()?)?;
/// // Start, the policy's answer, a node grown, the node ended, the level, the end.
/// assert!(lines.starts_with("{\"event\":\"start\"") && lines.lines().count() == 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JsonlTrace<W> {
    writer: W,
    candidates: usize,
    failure: Option<io::Error>,
}

impl<W: Write> JsonlTrace<W> {
    /// A trace into a writer. It shows the [`DEFAULT_CANDIDATES`] best candidates of every node whose candidates were rewarded.
    pub fn new(writer: W) -> Self {
        Self { writer, candidates: DEFAULT_CANDIDATES, failure: None }
    }

    /// How many of a node's best candidates its `score` line shows (see [`ScoreSummary`]); 0 leaves these lines out.
    #[must_use]
    pub fn with_candidates(mut self, k: usize) -> Self {
        self.candidates = k;
        self
    }

    /// Flushes and hands the writer back.
    ///
    /// # Errors
    ///
    /// The first error that any write met: observers cannot fail, so it is kept until here.
    pub fn finish(mut self) -> io::Result<W> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.writer.flush().map(|()| self.writer),
        }
    }

    fn write(&mut self, event: &TraceEvent) {
        if self.failure.is_none() {
            let line = serde_json::to_string(event).map_err(io::Error::from);
            self.failure = line.and_then(|line| writeln!(self.writer, "{line}")).err();
        }
    }
}

impl<W: Write> SearchObserver for JsonlTrace<W> {
    fn on_start(&mut self, start: &SearchStart) {
        self.write(&TraceEvent::Start(start.clone()));
    }

    fn on_call(&mut self, call: &ModelCall) {
        self.write(&TraceEvent::Call(call.clone()));
    }

    fn on_score(&mut self, node: NodeId, candidates: &Candidates, rewards: &[ChildReward]) {
        if self.candidates > 0 {
            self.write(&TraceEvent::Score(ScoreSummary::new(node, candidates, rewards, self.candidates)));
        }
    }

    fn on_change(&mut self, change: &TreeChange) {
        self.write(&TraceEvent::Change(*change));
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.write(&TraceEvent::Level(level.clone()));
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        self.write(&TraceEvent::Finish(Box::new(outcome.clone())));
    }
}

impl<W: Write> SummaryObserver for JsonlTrace<W> {
    fn on_summary(&mut self, summary: &ScoreSummary) {
        if self.candidates > 0 {
            self.write(&TraceEvent::Score(summary.narrowed(self.candidates)));
        }
    }
}
