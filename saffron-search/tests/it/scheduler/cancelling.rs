//! Requests that are no longer wanted.

use std::time::Duration;

use saffron_core::{SearchErrorKind, StopReason, Thresholds};
use saffron_search::scheduler::{Limits, Load};
use saffron_search::{Reaction, Rules, Scheduler};

use super::{Gate, LONG, gate, greedy, session, submit};
use crate::many::{Prompted, reward, timeless};

fn rounds(gate: &Gate, expected: &[&[u32]]) {
    for batch in expected {
        assert_eq!(gate.call(), *batch);
        gate.allow();
    }
}

#[test]
fn one_of_three_leaves_in_the_middle_with_what_it_has_and_frees_its_place() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::with_limits(policy, reward(), Limits { running: 3, queued: 2 }).unwrap();
    let first = submit(&scheduler, greedy(5), 1);
    assert_eq!(gate.call(), [1]);
    let [second, third] = [2, 3].map(|prompt| submit(&scheduler, greedy(5), prompt));
    gate.allow();
    rounds(&gate, &[&[1, 2, 3]]);
    assert_eq!(gate.call(), [1, 2, 3]);
    let fourth = submit(&scheduler, greedy(2), 4);
    assert_eq!(scheduler.load(), Load { running: 3, queued: 1 });
    second.cancel();
    gate.allow();
    let cancelled = second.wait().unwrap();
    assert_eq!((cancelled.stop, cancelled.best.stop), (StopReason::Cancelled, None));
    let alone = greedy(5).run(&session(2), &mut Prompted, &mut reward()).unwrap();
    assert_eq!(cancelled.best.tokens, alone.best.tokens[..2], "what it had found stays");
    rounds(&gate, &[&[1, 3]]);
    assert_eq!(gate.call(), [4], "its place is free; another filter is another call of the same round");
    drop(gate);
    for (ticket, prompt, tokens) in [(first, 1, 5), (third, 3, 5), (fourth, 4, 2)] {
        let alone = greedy(tokens).run(&session(prompt), &mut Prompted, &mut reward()).unwrap();
        assert_eq!(timeless(ticket.wait().unwrap()), timeless(alone));
    }
    assert_eq!(scheduler.load(), Load { running: 0, queued: 0 });
}

#[test]
fn a_dropped_ticket_cancels_and_a_dropped_canceller_does_not() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::new(policy, reward()).unwrap();
    let kept = submit(&scheduler, greedy(4), 1);
    rounds(&gate, &[&[1]]);
    assert_eq!(gate.call(), [1]);
    let dropped = submit(&scheduler, greedy(4), 2);
    gate.allow();
    assert_eq!(gate.call(), [1, 2]);
    drop(kept.canceller());
    drop(dropped);
    gate.allow();
    rounds(&gate, &[&[1]]);
    assert_eq!(kept.wait().unwrap().best.tokens.len(), 4);
}

#[test]
fn a_request_that_waits_for_a_place_ends_at_once_and_makes_room() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::with_limits(policy, reward(), Limits { running: 1, queued: 1 }).unwrap();
    let first = submit(&scheduler, greedy(2), 1);
    assert_eq!(gate.call(), [1]);
    let waiting = submit(&scheduler, greedy(2), 2);
    let canceller = waiting.canceller();
    let waiter = std::thread::spawn(move || waiting.wait());
    canceller.cancel();
    let error = waiter.join().unwrap().unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Halted(StopReason::Cancelled)), "{error:?}");
    assert!(error.partial().is_none());
    assert_eq!(error.to_string(), "the search was halted: cancelled");
    let next = submit(&scheduler, greedy(2), 3);
    gate.allow();
    rounds(&gate, &[&[1], &[3], &[3]]);
    assert!(first.wait().is_ok() && next.wait().is_ok());
    canceller.cancel();
}

#[test]
fn a_deadline_is_the_callers() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::new(policy, reward()).unwrap();
    let ticket = submit(&scheduler, greedy(3), 1);
    gate.call();
    let ticket = ticket.try_wait().unwrap_err();
    let ticket = ticket.wait_timeout(Duration::from_millis(5)).unwrap_err();
    ticket.cancel();
    drop(gate);
    let outcome = ticket.wait_timeout(LONG).unwrap().unwrap();
    assert_eq!((outcome.stop, outcome.best.tokens.len()), (StopReason::Cancelled, 1));
}

#[test]
fn a_cancelled_answer_is_judged_like_any_other_that_nothing_is_known_of() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::new(policy, reward()).unwrap();
    let rules = Rules::new(Thresholds::new(0.0, 0.0).unwrap()).on_undecided(Reaction::Error);
    let ticket = submit(&scheduler, greedy(3).ruled_by(rules), 1);
    gate.call();
    ticket.cancel();
    drop(gate);
    let error = ticket.wait().unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Refused(_)), "{error:?}");
    assert_eq!(error.partial().unwrap().stop, StopReason::Cancelled);
}

#[test]
fn cancelling_what_has_ended_does_nothing() {
    let scheduler = Scheduler::new(Prompted, reward()).unwrap();
    let ticket = submit(&scheduler, greedy(3), 1);
    scheduler.drain();
    ticket.cancel();
    assert_eq!(ticket.wait().unwrap().stop, StopReason::MaxNewTokens);
}

#[test]
fn a_search_that_is_cancelled_before_its_verdict_says_so() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::new(policy, reward()).unwrap();
    let rules = Rules::new(Thresholds::new(0.0, 0.0).unwrap()).on_unsafe(Reaction::Refuse(String::from("no")));
    let ticket = submit(&scheduler, greedy(2).ruled_by(rules), 1);
    rounds(&gate, &[&[1]]);
    // The last call of the policy: the answer is whole, and what is left is its verdict.
    assert_eq!(gate.call(), [1]);
    ticket.cancel();
    gate.allow();
    let outcome = ticket.wait().unwrap();
    assert_eq!((outcome.stop, outcome.best.tokens.len()), (StopReason::Cancelled, 2));
    assert_eq!(outcome.verdict.reward, None);
}
