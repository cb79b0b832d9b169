//! Many prompts at once: the same answers in fewer calls, whatever happens to the neighbours.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use saffron_core::testing::{Counting, ScriptedReward};
use saffron_core::{
    Budget, CandidateFilter, Candidates, ChildScorer, ConfigError, Level, ModelError, Outcome, PlainVocabulary, Policy,
    PrmScorer, Reply, SearchContext, SearchError, SearchErrorKind, SearchObserver, SearchStrategy, Session, Step,
    StopReason, Token, Vocabulary, Work, process_reward_fn, with_causes,
};
use saffron_search::{BestOfN, Greedy, Saffron, Searcher};

use crate::strategies::{all, searcher};
use crate::worlds::scatter;

/// A policy whose distributions depend on prompt and response, and that fails on prompts that begin with 13.
pub(crate) struct Prompted;

impl Policy for Prompted {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(40)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        if sessions.iter().any(|session| session.prompt()[0] == 13) {
            return Err(ModelError::other("proposing", "thirteen is not spoken of"));
        }
        let logits = |session: &Session| {
            let context = [session.prompt(), session.response()].concat();
            (0..4).map(|token| scatter(&[&context[..], &[token]].concat()) / 4.0).collect::<Vec<f32>>()
        };
        let propose = |(place, session): (usize, &Session)| filter.apply(&logits(session), session.response(), place);
        let value = sessions.iter().enumerate().map(propose).collect::<Result<_, _>>()?;
        let work = |session: &Session| Work { asked: session.response().len() as u64 + 1, ..Work::default() };
        Ok(Reply { value, work: sessions.iter().map(work).collect() })
    }
}

fn sessions(count: u32) -> Vec<Session> {
    (1..=count).map(|prompt| Session::new(PlainVocabulary::shared(40), vec![prompt, 5]).unwrap()).collect()
}

pub(crate) fn reward() -> impl ChildScorer {
    PrmScorer(process_reward_fn(|session| scatter(&[session.prompt(), session.response()].concat())))
}

/// The outcome without what depends on the clock.
pub(crate) fn timeless(mut outcome: Outcome) -> Outcome {
    outcome.usage.policy.wall = Duration::ZERO;
    outcome.usage.reward.wall = Duration::ZERO;
    outcome
}

#[test]
fn a_prompt_alone_and_among_sixteen_has_the_same_outcome_under_every_strategy() {
    let sessions = sessions(12);
    for (strategy, again) in all().into_iter().zip(all()) {
        let name = strategy.describe();
        let (together, alone) = (searcher(strategy, 5).seed(9), searcher(again, 5).seed(9));
        let many = together.run_many(&sessions, &mut Prompted, &mut reward()).unwrap();
        assert_eq!(many.len(), 12);
        for (session, outcome) in sessions.iter().zip(many) {
            let own = alone.run(session, &mut Prompted, &mut reward()).unwrap();
            assert_eq!(timeless(outcome.unwrap()), timeless(own), "{name}");
        }
    }
}

#[test]
fn calls_of_a_round_are_one_call() {
    let mut policy = Counting::new(Prompted);
    let mut rewards = Counting::new(ScriptedReward::new(0.0));
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(4);
    let outcomes = searcher.run_many(&sessions(10), &mut policy, &mut rewards).unwrap();
    assert_eq!((policy.calls, rewards.calls), (4, 4), "min_new_tokens keeps all in step");
    let calls: u64 = outcomes.into_iter().map(|outcome| outcome.unwrap().usage.policy.calls).sum();
    assert_eq!(calls, 40, "each search counts its own");
}

#[test]
fn no_more_run_at_once_than_asked_for() {
    struct Largest<P>(P, usize);
    impl<P: Policy> Policy for Largest<P> {
        fn vocabulary(&self) -> Arc<dyn Vocabulary> {
            self.0.vocabulary()
        }
        fn end_tokens(&self) -> Vec<Token> {
            self.0.end_tokens()
        }
        fn propose(&mut self, s: &[Session], f: &CandidateFilter) -> Result<Reply<Vec<Candidates>>, ModelError> {
            self.1 = self.1.max(s.len());
            self.0.propose(s, f)
        }
    }
    for at_once in [1, 3, 100] {
        let mut policy = Largest(Prompted, 0);
        let searcher = Searcher::new(Greedy).max_new_tokens(5);
        let sessions = sessions(12);
        let outcomes = searcher.many(&sessions).at_once(at_once).run(&mut policy, &mut reward()).unwrap();
        assert_eq!((outcomes.len(), policy.1), (12, at_once.min(12)));
    }
}

#[test]
fn a_prompt_that_fails_leaves_the_others_alone() {
    let searcher = Searcher::new(BestOfN::new(3)).max_new_tokens(5);
    let sessions = sessions(16);
    let results = searcher.run_many(&sessions, &mut Prompted, &mut reward()).unwrap();
    for (session, result) in sessions.iter().zip(results) {
        if session.prompt()[0] == 13 {
            let error = result.unwrap_err();
            assert!(with_causes(&error).contains("thirteen"), "{error:?}");
            assert!(error.partial().is_some());
        } else {
            let own = searcher.run(session, &mut Prompted, &mut reward()).unwrap();
            assert_eq!(timeless(result.unwrap()).best, own.best);
        }
    }
}

/// Takes one token, then panics on prompts that begin with 3.
struct Fragile(Greedy);

impl SearchStrategy for Fragile {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self(Greedy))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let session = cx.session(saffron_core::NodeId::ROOT)?;
        assert!(session.prompt()[0] != 3 || cx.tree().size() < 3, "three is too much");
        self.0.step(cx)
    }
}

#[test]
fn a_strategy_that_panics_ends_its_own_search_only() {
    let searcher = searcher(Box::new(Fragile(Greedy)), 5);
    let results = searcher.run_many(&sessions(5), &mut Prompted, &mut reward()).unwrap();
    for (place, result) in results.into_iter().enumerate() {
        match result {
            Err(error) if place == 2 => match error.kind() {
                SearchErrorKind::Panicked { message, .. } => assert_eq!(message, "three is too much"),
                other => panic!("{other}"),
            },
            other => assert!(other.is_ok() && place != 2),
        }
    }
}

/// A model that breaks down on the caller's own thread.
struct Broken;

impl Policy for Broken {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(40)
    }
    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }
    fn propose(&mut self, _: &[Session], _: &CandidateFilter) -> Result<Reply<Vec<Candidates>>, ModelError> {
        panic!("the model is gone")
    }
}

#[test]
fn a_model_that_panics_takes_the_caller_along_and_leaves_no_search_waiting() {
    let run = || Searcher::new(Greedy).run_many(&sessions(4), &mut Broken, &mut reward());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the model is gone"));
}

/// Stops at the second level.
#[derive(Default)]
struct Second(usize);

impl SearchObserver for Second {
    fn on_level(&mut self, _: &Level) -> ControlFlow<()> {
        self.0 += 1;
        if self.0 == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn every_prompt_has_its_own_observer_and_budget() {
    let sessions = sessions(6);
    let mut observers: Vec<Second> = (0..4).map(|_| Second::default()).collect();
    let searcher = Searcher::new(Greedy).min_new_tokens(5).max_new_tokens(5);
    let run = searcher.many(&sessions).observed(&mut observers).run(&mut Prompted, &mut reward());
    let stops: Vec<StopReason> = run.unwrap().into_iter().map(|outcome| outcome.unwrap().stop).collect();
    assert_eq!(stops[..4], [StopReason::Observer; 4]);
    assert_eq!(stops[4..], [StopReason::MaxNewTokens; 2]);
    assert!(observers.iter().all(|observer| observer.0 == 2));
    let budget = Budget { max_policy_calls: Some(3), ..Budget::default() };
    let limited = Searcher::new(Greedy).min_new_tokens(5).budget(budget);
    for outcome in limited.run_many(&sessions, &mut Prompted, &mut reward()).unwrap() {
        assert_eq!(outcome.unwrap().best.tokens.len(), 3);
    }
}

#[test]
fn results_come_as_searches_end_each_once() {
    let sessions = sessions(9);
    let mut seen = Vec::new();
    let searcher = Searcher::new(Saffron::paper(2)).min_new_tokens(0).max_new_tokens(6);
    let run = searcher.many(&sessions).at_once(4);
    run.run_each(&mut Prompted, &mut reward(), |place, result| seen.push((place, result.unwrap().best.tokens)))
        .unwrap();
    let order: Vec<usize> = seen.iter().map(|(place, _)| *place).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..9).collect::<Vec<_>>());
    let mut again = Vec::new();
    let run = searcher.many(&sessions).at_once(4);
    run.run_each(&mut Prompted, &mut reward(), |place, result| again.push((place, result.unwrap().best.tokens)))
        .unwrap();
    assert_eq!(seen, again, "the same order every time");
}

#[test]
fn settings_that_cannot_be_run_with_are_one_error_not_one_a_prompt() {
    let error = Searcher::new(BestOfN::new(0)).run_many(&sessions(3), &mut Prompted, &mut reward()).unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Config(ConfigError::Zero { what: "samples" })));
    assert!(Searcher::new(Greedy).run_many(&[], &mut Prompted, &mut reward()).unwrap().is_empty());
}
