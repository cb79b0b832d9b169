//! Models, strategies and observers that fail or panic.

use std::sync::Arc;

use saffron_core::{
    CandidateFilter, Candidates, ModelError, PlainVocabulary, Policy, Reply, Role, SearchContext, SearchError,
    SearchErrorKind, SearchObserver, SearchStart, SearchStrategy, Session, Step, Token, TreeChange, Vocabulary,
    with_causes,
};
use saffron_search::scheduler::{Limits, Request, SchedulerError, Ticket};
use saffron_search::{BestOfN, Greedy, Scheduler, Searcher};

use super::{gate, greedy, session, submit};
use crate::many::{Prompted, reward, timeless};
use crate::strategies::searcher;

fn message(ticket: Ticket) -> String {
    let error = ticket.wait().unwrap_err();
    match error.kind() {
        SearchErrorKind::Panicked { message, .. } => message.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_prompt_that_the_model_fails_on_leaves_the_others_alone() {
    let (policy, gate) = gate();
    let scheduler = Scheduler::new(policy, reward()).unwrap();
    let searcher = Searcher::new(BestOfN::new(3)).max_new_tokens(5);
    let tickets: Vec<(Token, Ticket)> =
        (10..16).map(|prompt| (prompt, submit(&scheduler, searcher.clone(), prompt))).collect();
    drop(gate);
    for (prompt, ticket) in tickets {
        let (found, alone) = (ticket.wait(), searcher.run(&session(prompt), &mut Prompted, &mut reward()));
        if prompt == 13 {
            let (found, alone) = (found.unwrap_err(), alone.unwrap_err());
            assert_eq!(with_causes(&found), with_causes(&alone));
            assert!(with_causes(&found).contains("thirteen") && found.partial().is_some());
        } else {
            assert_eq!(timeless(found.unwrap()), timeless(alone.unwrap()));
        }
    }
}

/// Panics where its name says.
struct Fragile(&'static str);

impl SearchStrategy for Fragile {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        assert!(self.0 != "fresh", "over itself");
        Box::new(Self(self.0))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let step = Greedy.step(cx)?;
        assert!(self.0 != "step" || cx.tree().size() < 3, "at the second token");
        Ok(step)
    }

    fn describe(&self) -> String {
        assert!(self.0 != "name", "over its name");
        self.0.to_owned()
    }
}

#[test]
fn a_strategy_that_panics_ends_its_own_search_only() {
    let scheduler = Scheduler::new(Prompted, reward()).unwrap();
    for (place, expected) in [("step", "at the second token"), ("fresh", "over itself"), ("name", "over its name")] {
        let neighbour = submit(&scheduler, greedy(5), 1);
        let ticket = submit(&scheduler, searcher(Box::new(Fragile(place)), 5), 2);
        assert_eq!(message(ticket), expected);
        assert_eq!(neighbour.wait().unwrap().best.tokens.len(), 5);
    }
}

/// Panics when it is told something, or when it is dropped.
struct Touchy(&'static str);

impl SearchObserver for Touchy {
    fn on_start(&mut self, _: &SearchStart) {
        assert!(self.0 != "start", "at the start");
    }

    fn on_change(&mut self, _: &TreeChange) {
        assert!(self.0 != "change", "at a change");
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        assert!(self.0 != "drop", "when dropped");
    }
}

#[test]
fn an_observer_that_panics_ends_its_own_search_only() {
    let scheduler = Scheduler::new(Prompted, reward()).unwrap();
    for (place, expected) in [("start", "at the start"), ("change", "at a change"), ("drop", "when dropped")] {
        let neighbour = submit(&scheduler, greedy(5), 1);
        let ticket = scheduler.submit(Request::new(greedy(5), session(2)).observed(Touchy(place))).unwrap();
        assert_eq!(message(ticket), expected);
        assert_eq!(neighbour.wait().unwrap().best.tokens.len(), 5);
    }
}

/// Panics when a response has two tokens.
struct Brittle(super::Gated);

impl Policy for Brittle {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(40)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(&mut self, s: &[Session], filter: &CandidateFilter) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let reply = self.0.propose(s, filter);
        assert!(s.iter().all(|session| session.response().len() < 2), "out of memory");
        reply
    }
}

#[test]
fn a_model_that_panics_ends_all_that_was_asked_and_says_why_no_more_is_taken() {
    let (policy, gate) = gate();
    let limits = Limits { running: 2, queued: 4 };
    let scheduler = Scheduler::with_limits(Brittle(policy), reward(), limits).unwrap();
    let first = submit(&scheduler, greedy(5), 1);
    assert_eq!(gate.call(), [1]);
    let [second, third] = [2, 3].map(|prompt| submit(&scheduler, greedy(5), prompt));
    drop(gate);
    for (ticket, tokens) in [(first, Some(2)), (second, Some(1)), (third, None)] {
        let error = ticket.wait().unwrap_err();
        assert!(with_causes(&error).ends_with(": the model panicked: out of memory"), "{error:?}");
        match error.kind() {
            SearchErrorKind::Model { role: Role::Policy, source: ModelError::Panicked { message } } => {
                assert_eq!(message, "out of memory");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(error.partial().map(|outcome| outcome.best.tokens.len()), tokens);
    }
    let error = scheduler.submit(Request::new(greedy(1), session(4))).unwrap_err();
    assert!(matches!(&error, SchedulerError::Broken { role: Role::Policy, message } if message == "out of memory"));
    let expected = "the scheduler takes no more requests: the policy model panicked: out of memory";
    assert_eq!(error.to_string(), expected);
    scheduler.drain();
}
