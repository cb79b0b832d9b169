//! How a scheduler ends, and what is left of searches that have ended.

use std::sync::{Arc, Mutex, Weak};

use saffron_core::{
    CandidateFilter, Candidates, ModelError, PlainVocabulary, Policy, Reply, SearchErrorKind, SearchObserver, Session,
    StopReason, Token, Vocabulary,
};
use saffron_search::scheduler::{Limits, Load, Request, SchedulerError};
use saffron_search::{Saffron, Scheduler, Searcher};

use super::{gate, greedy, session, submit};
use crate::many::{Prompted, reward};

#[test]
fn a_drained_scheduler_has_finished_what_it_took_and_takes_no_more() {
    let scheduler = Scheduler::with_limits(Prompted, reward(), Limits { running: 2, queued: 8 }).unwrap();
    let tickets: Vec<_> = (1..=8).map(|prompt| submit(&scheduler, greedy(4), prompt)).collect();
    scheduler.drain();
    for ticket in tickets {
        assert_eq!(ticket.try_wait().unwrap().unwrap().stop, StopReason::MaxNewTokens);
    }
    let error = scheduler.submit(Request::new(greedy(4), session(1))).unwrap_err();
    assert!(matches!(error, SchedulerError::Closed), "{error}");
    scheduler.drain();
}

#[test]
fn a_dropped_scheduler_cancels_what_runs_and_what_waits() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::with_limits(policy, reward(), Limits { running: 1, queued: 1 }).unwrap();
    let running = submit(&scheduler, greedy(4), 1);
    gate.call();
    let waiting = submit(&scheduler, greedy(4), 2);
    let dropping = std::thread::spawn(move || drop(scheduler));
    let error = waiting.wait().unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Halted(StopReason::Cancelled)), "{error:?}");
    assert!(!dropping.is_finished(), "the models are at work");
    drop(gate);
    dropping.join().unwrap();
    let outcome = running.wait().unwrap();
    assert_eq!((outcome.stop, outcome.best.tokens.len()), (StopReason::Cancelled, 1));
}

/// Remembers, without keeping them, the runs that it has served.
struct Remembering(Arc<Mutex<Vec<Weak<()>>>>, Arc<dyn Vocabulary>);

impl Policy for Remembering {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.1.clone()
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(&mut self, s: &[Session], filter: &CandidateFilter) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.0.lock().unwrap().extend(s.iter().map(|session| session.run().downgrade()));
        Prompted.propose(s, filter)
    }
}

/// Holds something of the caller's.
struct Holding(#[allow(dead_code, reason = "it is held")] Arc<()>);

impl SearchObserver for Holding {}

#[test]
fn nothing_is_left_of_a_thousand_requests_that_have_ended() {
    let (runs, vocabulary, held) = (Arc::default(), PlainVocabulary::shared(40), Arc::new(()));
    let policy = Remembering(Arc::clone(&runs), vocabulary.clone());
    let scheduler = Scheduler::with_limits(policy, reward(), Limits { running: 3, queued: 8 }).unwrap();
    let before = Arc::strong_count(&vocabulary);
    for round in 0..250u64 {
        let request = |prompt: Token| {
            let session = Session::new(vocabulary.clone(), vec![prompt, 5]).unwrap();
            let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(4).seed(round);
            Request::new(searcher, session).observed(Holding(held.clone()))
        };
        // One fails, one is cancelled, two are answered.
        let tickets = [1, 13, 3, 4].map(|prompt| scheduler.submit(request(prompt)).unwrap());
        tickets[2].cancel();
        let [first, second, _, fourth] = tickets.map(|ticket| ticket.wait());
        assert!(first.is_ok() && second.is_err() && fourth.is_ok());
    }
    assert_eq!(scheduler.load(), Load { running: 0, queued: 0 });
    let runs = runs.lock().unwrap();
    assert!(runs.len() > 1000);
    assert!(runs.iter().all(|run| run.strong_count() == 0), "runs that have ended are free");
    assert_eq!((Arc::strong_count(&held), Arc::strong_count(&vocabulary)), (1, before));
}
