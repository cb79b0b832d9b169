//! Recording a search as JSON lines. Writes wherever it is told to; opens no files. Times are left out, so that equal searches
//! have equal traces.

use std::io::{self, Write};
use std::ops::ControlFlow;

use saffron_core::{Level, ModelCall, Outcome, SearchObserver, SearchStart};
use serde::{Deserialize, Serialize};

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum TraceEvent {
    /// The search began.
    Start(SearchStart),
    /// A model answered.
    Call(ModelCall),
    /// A level was complete.
    Level(Level),
    /// The search ended.
    Finish(Box<Outcome>),
}

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
/// assert!(lines.starts_with("{\"event\":\"start\"") && lines.lines().count() == 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JsonlTrace<W> {
    writer: W,
    failure: Option<io::Error>,
}

impl<W: Write> JsonlTrace<W> {
    /// A trace into a writer.
    pub fn new(writer: W) -> Self {
        Self { writer, failure: None }
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

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.write(&TraceEvent::Level(level.clone()));
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        self.write(&TraceEvent::Finish(Box::new(outcome.clone())));
    }
}

/// Reads a trace back.
///
/// # Errors
///
/// The first line that is no event.
pub fn read(lines: impl io::BufRead) -> io::Result<Vec<TraceEvent>> {
    lines.lines().map(|line| serde_json::from_str(&line?).map_err(io::Error::from)).collect()
}
