//! A search as text, level by level.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use saffron_core::{Level, Outcome, SearchObserver, SearchStart, Vocabulary, with_causes};

use super::report;

/// An observer that writes every level of the beam as text for a reader: a line a sequence, with
/// its reward, its text in quotes and why it ended. It makes no difference whether the search runs
/// or is [replayed](super::replay).
///
/// ```
/// use saffron_core::testing::{ScriptedReward, TablePolicy};
/// use saffron_core::Policy;
/// use saffron_search::trace::TextTrace;
/// use saffron_search::{Greedy, Searcher};
/// let mut policy = TablePolicy::new(vec![0.0, 1.0], vec![0]);
/// let mut trace = TextTrace::new(Vec::new(), policy.vocabulary());
/// let session = policy.session(&[1])?;
/// let searcher = Searcher::new(Greedy).max_new_tokens(2);
/// searcher.run_observed(&session, &mut policy, &mut ScriptedReward::new(0.5), &mut trace)?;
/// let text = String::from_utf8(trace.finish()?)?;
/// assert!(text.contains("level 0\n        –  \"1\"\nlevel 1\n"), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TextTrace<W> {
    writer: W,
    vocabulary: Arc<dyn Vocabulary>,
    failure: Option<io::Error>,
}

impl<W> fmt::Debug for TextTrace<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextTrace").field("vocabulary", &self.vocabulary).finish_non_exhaustive()
    }
}

impl<W: Write> TextTrace<W> {
    /// A trace into a writer, with the vocabulary that the tokens belong to.
    pub fn new(writer: W, vocabulary: Arc<dyn Vocabulary>) -> Self {
        Self { writer, vocabulary, failure: None }
    }

    /// Flushes the writer and hands it back.
    ///
    /// # Errors
    ///
    /// The first error that any write met. Observers cannot fail, so it is kept until here; it ends
    /// the search at the next level.
    pub fn finish(mut self) -> io::Result<W> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.writer.flush().map(|()| self.writer),
        }
    }

    fn line(&mut self, text: impl Display) {
        if self.failure.is_none() {
            self.failure = writeln!(self.writer, "{text}").err();
        }
    }
}

impl<W: Write> SearchObserver for TextTrace<W> {
    fn on_start(&mut self, start: &SearchStart) {
        self.line(format_args!("{}, rewarded by {}", start.strategy, start.reward));
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.line(format_args!("level {}", level.index));
        for entry in &level.beam {
            let text = self.vocabulary.decode(&entry.tokens).unwrap_or_else(|error| with_causes(&error));
            let stop = entry.stop.map_or_else(String::new, |stop| format!("  ({stop})"));
            self.line(format_args!("  {}  {text:?}{stop}", report::reward(entry.reward)));
        }
        if self.failure.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        self.line(format_args!("ended: {}", outcome.stop));
    }
}
