//! Who shares a batch with whom, and in which order.

use saffron_core::{NodeId, SearchContext, SearchError, SearchStrategy, Step, StopReason};
use saffron_search::scheduler::{Limits, Load};
use saffron_search::{Saffron, Scheduler, Searcher};

use super::{gate, greedy, submit};
use crate::many::reward;
use crate::strategies::searcher;

/// The batches of greedy requests of four tokens, each arriving during a call of the policy.
fn batches(running: usize) -> Vec<Vec<u32>> {
    let (policy, gate) = gate();
    let scheduler = Scheduler::with_limits(policy, reward(), Limits { running, queued: 8 }).unwrap();
    let mut tickets = vec![submit(&scheduler, greedy(4), 1)];
    let mut batches = Vec::new();
    for prompt in 2..=4 {
        batches.push(gate.call());
        tickets.push(submit(&scheduler, greedy(4), prompt));
        gate.allow();
    }
    while batches.iter().map(Vec::len).sum::<usize>() < 16 {
        batches.push(gate.call());
        gate.allow();
    }
    assert!(tickets.into_iter().all(|ticket| ticket.wait().unwrap().best.tokens.len() == 4));
    batches
}

#[test]
fn a_request_joins_the_next_round_and_leaves_alone() {
    let expected: [&[u32]; 7] = [&[1], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4], &[2, 3, 4], &[3, 4], &[4]];
    assert_eq!(batches(16), expected);
    assert_eq!(batches(16), expected, "the same arrivals make the same batches");
}

#[test]
fn requests_without_a_place_wait_their_turn_and_no_longer() {
    let expected: [&[u32]; 9] = [&[1], &[1, 2], &[1, 2], &[1, 2], &[2, 3], &[3, 4], &[3, 4], &[3, 4], &[4]];
    assert_eq!(batches(2), expected);
    assert_eq!(batches(1).concat(), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4]);
}

#[test]
fn a_request_falls_into_step_with_those_that_run() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::new(policy, reward()).unwrap();
    let saffron = || Searcher::new(Saffron::paper(1)).top_p(1.0).min_new_tokens(3).max_new_tokens(3);
    let first = submit(&scheduler, saffron(), 1);
    assert_eq!(gate.call(), [1]);
    // It arrives before a round of rewards, and begins after it.
    let second = submit(&scheduler, saffron(), 2);
    gate.allow();
    for expected in [&[1, 2][..], &[1, 2], &[2]] {
        assert_eq!(gate.call(), expected);
        gate.allow();
    }
    for ticket in [first, second] {
        assert_eq!(ticket.wait().unwrap().stop, StopReason::MaxNewTokens);
    }
}

/// Asks for the same rewards over and over.
struct Rewards(usize);

impl SearchStrategy for Rewards {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self(self.0))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let candidates = cx.propose(&[NodeId::ROOT])?;
        for _ in 0..self.0 {
            cx.score(&[NodeId::ROOT], &candidates)?;
        }
        Ok(Step::Done)
    }
}

/// Asks on when it has been told to end.
struct Deaf;

impl SearchStrategy for Deaf {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self)
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let answered = (0..100).map(|_| cx.propose(&[NodeId::ROOT])).filter(Result::is_ok).count();
        assert_eq!(answered, 1, "no model answers a search that is cancelled");
        Ok(Step::Done)
    }
}

#[test]
fn a_cancelled_search_that_asks_on_holds_nobody_up_and_is_not_answered() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::new(policy, reward()).unwrap();
    let deaf = submit(&scheduler, searcher(Box::new(Deaf), 4), 1);
    assert_eq!(gate.call(), [1]);
    deaf.cancel();
    let other = submit(&scheduler, greedy(3), 2);
    gate.allow();
    for _ in 0..3 {
        assert_eq!(gate.call(), [2]);
        gate.allow();
    }
    assert_eq!(other.wait().unwrap().best.tokens.len(), 3);
    assert!(deaf.wait().is_ok());
}

#[test]
fn a_request_waits_for_one_round_of_rewards_at_most() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::new(policy, reward()).unwrap();
    // A million rounds: the second request is done long before.
    let first = submit(&scheduler, searcher(Box::new(Rewards(1_000_000)), 4), 1);
    assert_eq!(gate.call(), [1]);
    let second = submit(&scheduler, greedy(2), 2);
    gate.allow();
    for _ in 0..2 {
        assert_eq!(gate.call(), [2]);
        assert_eq!(scheduler.load(), Load { running: 2, queued: 0 });
        gate.allow();
    }
    assert_eq!(second.wait().unwrap().best.tokens.len(), 2);
    assert_eq!(scheduler.load(), Load { running: 1, queued: 0 });
    first.cancel();
    assert_eq!(first.wait().unwrap().stop, StopReason::Cancelled);
}
