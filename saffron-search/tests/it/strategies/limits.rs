//! Searches that are cut short, or that models give little to: an answer whenever there is one, never a panic, never a loop.

use std::ops::ControlFlow;
use std::sync::Arc;

use saffron_core::testing::{ScriptedReward, TablePolicy};
use saffron_core::{
    Budget, CandidateFilter, Candidates, Coverage, Level, ModelError, Outcome, PlainVocabulary, Policy, Reply,
    SearchObserver, Session, StopReason, Token, Vocabulary,
};
use saffron_search::Searcher;

use super::{all, searcher};
use crate::worlds::{scattered, session, set, uniform};

const LENGTH: usize = 5;

fn skewed() -> TablePolicy {
    TablePolicy::new(vec![-1.0, 0.5, 0.0, 0.3], vec![0])
}

fn answered(searcher: &Searcher, name: &str) -> Outcome {
    let mut policy = skewed();
    let session = session(&policy);
    let outcome = searcher.run(&session, &mut policy, &mut scattered(LENGTH, &[]));
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_budget_ends_every_strategy_with_the_best_so_far_wherever_it_strikes() {
    let limits: [fn(u64) -> Budget; 5] = [
        |limit| Budget { max_policy_calls: Some(limit), ..Budget::default() },
        |limit| Budget { max_reward_calls: Some(limit), ..Budget::default() },
        |limit| Budget { max_policy_tokens: Some(limit), ..Budget::default() },
        |limit| Budget { max_reward_tokens: Some(limit), ..Budget::default() },
        |limit| Budget { max_flops: Some(limit * 40), ..Budget::default() },
    ];
    for strategy in all() {
        let name = strategy.describe();
        for budget in limits {
            for limit in 0..24 {
                let outcome = answered(&searcher(strategy.fresh(), LENGTH).budget(budget(limit)), &name);
                assert!(outcome.best.tokens.len() <= LENGTH, "{name}");
                let whole = !matches!(outcome.stop, StopReason::Budget(_));
                // What was not cut short has an answer that ended.
                assert!(!whole || outcome.best.stop.is_some(), "{name} at {limit}: {outcome:?}");
            }
        }
    }
}

/// Stops at a level.
struct At(usize);

impl SearchObserver for At {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        if level.index >= self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn an_observer_ends_every_strategy_at_any_level() {
    for strategy in all() {
        for level in 0..6 {
            let (mut policy, session) = (skewed(), session(&skewed()));
            let searcher = searcher(strategy.fresh(), LENGTH);
            let outcome = searcher.run_observed(&session, &mut policy, &mut scattered(LENGTH, &[]), &mut At(level));
            let outcome = outcome.unwrap();
            assert!(outcome.stop == StopReason::Observer || outcome.best.stop.is_some(), "{}", strategy.describe());
        }
    }
}

#[test]
fn one_token_one_candidate_and_ends_that_are_not_allowed_are_no_trouble() {
    for strategy in all() {
        let name = strategy.describe();
        let one = answered(&searcher(strategy.fresh(), 1), &name);
        assert_eq!(one.best.tokens.len(), 1, "{name}");
        let only = CandidateFilter { top_k: Some(1), ..CandidateFilter::default() };
        let only = answered(&searcher(strategy.fresh(), LENGTH).filter(only), &name);
        assert_eq!(only.best.tokens, [1; LENGTH], "{name}: the policy's first choice again and again");
        let never = answered(&searcher(strategy.fresh(), LENGTH).min_new_tokens(100), &name);
        assert_eq!(never.best.tokens.len(), LENGTH, "{name}");
    }
}

#[test]
fn infinite_rewards_are_numbers() {
    for strategy in all() {
        let name = strategy.describe();
        let mut rewards = ScriptedReward::new(f32::NEG_INFINITY).with(vec![2], f32::INFINITY).with(vec![2, 1], 3.0);
        let (mut policy, session) = (uniform(), session(&uniform()));
        let outcome = searcher(strategy, 3).run(&session, &mut policy, &mut rewards).unwrap();
        assert!((1..=3).contains(&outcome.best.tokens.len()), "{name}");
    }
}

#[test]
fn nothing_seen_ends_every_strategy() {
    for strategy in all() {
        let name = strategy.describe();
        let mut rewards = ScriptedReward::new(0.0).with_unseen(set(&[0, 1, 2, 3]));
        let (mut policy, session) = (uniform(), session(&uniform()));
        let outcome = searcher(strategy, 3).run(&session, &mut policy, &mut rewards).unwrap();
        assert!(outcome.best.tokens.len() <= 3, "{name}");
    }
}

/// A policy that has nothing to say after some tokens, as a remote one may.
struct Speechless(usize);

impl Policy for Speechless {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        PlainVocabulary::shared(4)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let candidates = |session: &Session| {
            let mut candidates = filter.apply(&[-2.0, 0.5, 0.0, 0.3], session.response().len(), 0)?;
            candidates.coverage = Coverage::Truncated;
            if session.response().len() >= self.0 {
                candidates.ranked.clear();
            }
            Ok(candidates)
        };
        Ok(Reply::free(sessions.iter().map(candidates).collect::<Result<_, ModelError>>()?, sessions.len()))
    }
}

#[test]
fn a_policy_without_candidates_ends_every_strategy() {
    for strategy in all() {
        for words in 0..3 {
            let name = strategy.describe();
            let mut policy = Speechless(words);
            let session = Session::new(policy.vocabulary(), vec![1]).unwrap();
            let searcher = searcher(strategy.fresh(), LENGTH);
            let outcome = searcher.run(&session, &mut policy, &mut scattered(LENGTH, &[]));
            let outcome = outcome.unwrap_or_else(|error| panic!("{name} after {words}: {error}"));
            assert!(outcome.best.tokens.len() <= words, "{name}");
        }
    }
}
