//! Limits, a full queue, and requests that are refused.

use saffron_core::NoReward;
use saffron_search::scheduler::{Limits, Load, Request, SchedulerError};
use saffron_search::{BestOfN, Saffron, Scheduler, Searcher};

use super::{gate, greedy, session, submit};
use crate::many::{Prompted, reward};

#[test]
fn a_full_queue_is_an_error_with_its_limit_and_nothing_is_lost() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::with_limits(policy, reward(), Limits { running: 1, queued: 2 }).unwrap();
    let first = submit(&scheduler, greedy(3), 1);
    gate.call();
    let [second, third] = [2, 3].map(|prompt| submit(&scheduler, greedy(3), prompt));
    assert_eq!(scheduler.load(), Load { running: 1, queued: 2 });
    let error = scheduler.submit(Request::new(greedy(3), session(4))).unwrap_err();
    assert!(matches!(error, SchedulerError::Full { limit: 2 }));
    assert_eq!(error.to_string(), "the queue is full: 2 requests wait");
    drop(gate);
    for ticket in [first, second, third] {
        assert_eq!(ticket.wait().unwrap().best.tokens.len(), 3);
    }
    assert!(submit(&scheduler, greedy(3), 4).wait().is_ok());
}

#[test]
fn limits_that_cannot_be_worked_with_are_refused_by_name() {
    let refused = |running, queued| {
        Scheduler::with_limits(Prompted, reward(), Limits { running, queued }).unwrap_err().to_string()
    };
    assert_eq!(refused(0, 1), "running must lie between 1 and 1024, found 0");
    assert_eq!(refused(1, 0), "queued must lie between 1 and 65536, found 0");
    assert_eq!(refused(1025, 1), "running must lie between 1 and 1024, found 1025");
    assert_eq!(refused(1, usize::MAX), format!("queued must lie between 1 and 65536, found {}", usize::MAX));
    assert!(Limits { running: 1024, queued: 65_536 }.check().is_ok());
}

#[test]
fn what_cannot_be_run_is_refused_when_it_is_submitted() {
    let scheduler = Scheduler::new(Prompted, NoReward).unwrap();
    let refused = |searcher| match scheduler.submit(Request::new(searcher, session(1))) {
        Err(SchedulerError::Settings(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(Searcher::new(Saffron::paper(2))).ends_with("needs a reward model, found none"));
    assert_eq!(refused(greedy(3).top_p(2.0)), "top_p must lie in (0, 1], found 2");
    let scheduler = Scheduler::new(Prompted, reward()).unwrap();
    let error = scheduler.submit(Request::new(Searcher::new(BestOfN::new(0)), session(1))).unwrap_err();
    assert_eq!(error.to_string(), "samples must be at least 1, found 0");
}
