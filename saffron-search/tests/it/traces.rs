//! Traces: complete, readable again, and the same every time.

use std::ops::ControlFlow;

use saffron_core::{Level, SearchObserver};
use saffron_search::trace::{JsonlTrace, TraceEvent, read};
use saffron_search::{Saffron, Searcher};

use crate::worlds::{scattered, session, uniform};

/// The levels of a search.
#[derive(Default)]
pub(crate) struct Levels(pub(crate) Vec<Level>);

impl SearchObserver for Levels {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.0.push(level.clone());
        ControlFlow::Continue(())
    }
}

fn trace() -> (Vec<u8>, Vec<Level>) {
    let mut policy = uniform();
    let session = session(&policy);
    let mut observer = (JsonlTrace::new(Vec::new()), Levels::default());
    let searcher = Searcher::new(Saffron::paper(2)).top_p(1.0).min_new_tokens(0).max_new_tokens(3);
    searcher.run_observed(&session, &mut policy, &mut scattered(3, &[0]), &mut observer).unwrap();
    (observer.0.finish().unwrap(), observer.1.0)
}

#[test]
fn a_trace_holds_every_event_and_reads_back() {
    let (bytes, levels) = trace();
    let events = read(&bytes[..]).unwrap();
    assert!(matches!(&events[0], TraceEvent::Start(start) if start.prompt == [1, 2] && start.max_new_tokens == 3));
    assert!(matches!(events.last(), Some(TraceEvent::Finish(outcome)) if outcome.best.tokens.len() <= 3));
    let read: Vec<&Level> = events
        .iter()
        .filter_map(|event| match event {
            TraceEvent::Level(level) => Some(level),
            _ => None,
        })
        .collect();
    assert_eq!(read, levels.iter().collect::<Vec<_>>());
    let calls = events.iter().filter(|event| matches!(event, TraceEvent::Call(_))).count();
    assert_eq!(calls, 2 * (levels.len() - 1), "policy and reward model once a step");
}

#[test]
fn equal_searches_have_equal_traces() {
    assert_eq!(trace().0, trace().0);
}

/// A writer that is full after some bytes.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::Error::from(std::io::ErrorKind::StorageFull))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_trace_that_cannot_be_written_says_so_at_the_end() {
    let mut policy = uniform();
    let session = session(&policy);
    let mut trace = JsonlTrace::new(Full(400));
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3);
    searcher.run_observed(&session, &mut policy, &mut scattered(3, &[0]), &mut trace).unwrap();
    let Err(error) = trace.finish() else { panic!("400 bytes do not hold the trace") };
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}
