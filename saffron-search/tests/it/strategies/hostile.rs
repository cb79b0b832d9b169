//! Every strategy in worlds that no published experiment has: empty and cut lists, infinite rewards, budgets and observers that end a search
//! anywhere.

use std::ops::ControlFlow;
use std::sync::Arc;

use saffron_core::testing::{ScriptedReward, TablePolicy};
use saffron_core::{
    Budget, CandidateFilter, Candidates, ChildScorer, Coverage, Level, ModelError, NoReward, Outcome, Policy,
    PrmScorer, Reply, SearchObserver, SearchStrategy, Session, StopReason, Thresholds, Token, Vocabulary,
    process_reward_fn,
};
use saffron_search::strategy::saffron::SaffronOptions;
use saffron_search::strategy::{PathScore, Steps};
use saffron_search::{Args, Deal, Greedy, ParticleFilter, Rebase, RewardSampling, Saffron, Searcher, StepBeam};

use super::{all, searcher};
use crate::traces::Levels;
use crate::worlds::{scatter, scattered, session, set, uniform};

/// A policy like a remote engine: it knows its `known` most probable tokens, and nothing after responses of length `dry`. A search that asks it
/// without end fails.
struct Remote {
    table: TablePolicy,
    known: usize,
    dry: usize,
    calls: usize,
}

impl Remote {
    fn new(known: usize, dry: usize) -> Self {
        let table = TablePolicy::new(vec![-1.0, 1.0, 0.5, 0.0], vec![0]);
        Self { table, known, dry, calls: 0 }
    }
}

impl Policy for Remote {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.table.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.table.end_tokens()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.calls += 1;
        if self.calls > 1000 {
            return Err(ModelError::other("proposing", "asked without end"));
        }
        let reply = self.table.propose(sessions, filter)?;
        let cut = |(list, session): (Candidates, &Session)| {
            let kept = if session.response().len() >= self.dry { 0 } else { self.known };
            Candidates {
                ranked: list.ranked.into_iter().take(kept).collect(),
                mass: 0.5,
                coverage: Coverage::Truncated,
            }
        };
        Ok(Reply { value: reply.value.into_iter().zip(sessions).map(cut).collect(), work: reply.work })
    }
}

/// Stops at a level.
struct StopsAt(usize, Option<Level>);

impl SearchObserver for StopsAt {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.1 = Some(level.clone());
        if level.index >= self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Rewards that are infinite for some responses.
fn infinite() -> impl ChildScorer {
    PrmScorer(process_reward_fn(|session| match scatter(session.response()) {
        low if low < -2.0 => f32::NEG_INFINITY,
        high if high > 2.0 => f32::INFINITY,
        other => other,
    }))
}

fn strategies() -> Vec<Box<dyn SearchStrategy>> {
    let mut strategies = all();
    for score in [PathScore::Mean, PathScore::Sum, PathScore::Min] {
        let options = SaffronOptions { score, prior: 0.5, ..SaffronOptions::default() };
        strategies.push(Box::new(Saffron::paper(40).with_options(options)));
        strategies.push(Box::new(StepBeam::new(40, 2).with_steps(Steps::of(1)).with_score(score)));
    }
    strategies.push(Box::new(Args::greedy(0.0)));
    strategies.push(Box::new(Deal::new(30, 0, 0.0)));
    strategies.push(Box::new(Args::stochastic(0.0, 1.0)));
    strategies
}

fn scorers() -> Vec<Box<dyn ChildScorer>> {
    vec![
        Box::new(scattered(3, &[])),
        Box::new(scattered(3, &[0, 2])),
        Box::new(scattered(3, &[0, 1, 2, 3])),
        Box::new(infinite()),
        Box::new(ScriptedReward::new(f32::NEG_INFINITY)),
        Box::new(ScriptedReward::new(f32::INFINITY)),
    ]
}

fn search(searcher: &Searcher, policy: &mut dyn Policy, scorer: &mut dyn ChildScorer) -> Outcome {
    let session = Session::new(policy.vocabulary(), vec![1, 2]).unwrap();
    let outcome = searcher.run(&session, policy, scorer);
    let outcome = outcome.unwrap_or_else(|error| panic!("{searcher:?} over {}: {error}", scorer.describe()));
    assert!(outcome.best.tokens.len() <= 8);
    outcome
}

#[test]
fn every_search_ends_with_an_answer_where_the_policy_has_nothing_more_to_say() {
    for strategy in strategies() {
        for (known, dry) in [(0, 0), (4, 0), (1, 9), (2, 9), (4, 1), (3, 3)] {
            for mut scorer in scorers() {
                let searcher = searcher(strategy.fresh(), 6);
                let outcome = search(&searcher, &mut Remote::new(known, dry), &mut *scorer);
                assert_ne!(outcome.best.stop, Some(StopReason::Pruned), "{} {known} {dry}", outcome.strategy);
            }
        }
    }
}

#[test]
fn infinite_rewards_are_rewards_like_others() {
    for strategy in strategies() {
        for mut scorer in scorers() {
            for seed in 0..4 {
                let searcher = searcher(strategy.fresh(), 5).seed(seed);
                let outcome = search(&searcher, &mut uniform(), &mut *scorer);
                assert!(!outcome.best.reward.is_some_and(f32::is_nan), "{}: {outcome:?}", outcome.strategy);
                assert_ne!(outcome.best.stop, Some(StopReason::Pruned), "{}", outcome.strategy);
            }
        }
    }
}

#[test]
fn every_limit_at_every_value_ends_every_search_with_the_best_so_far() {
    for strategy in strategies() {
        for value in 0..24 {
            let some = Some(value);
            let budgets = [
                Budget { max_policy_calls: some, ..Budget::default() },
                Budget { max_reward_calls: some, ..Budget::default() },
                Budget { max_policy_tokens: Some(3 * value), ..Budget::default() },
                Budget { max_reward_tokens: Some(3 * value), ..Budget::default() },
                Budget { max_flops: Some(200 * value), ..Budget::default() },
            ];
            for budget in budgets {
                for mut scorer in scorers() {
                    let searcher = searcher(strategy.fresh(), 4).budget(budget);
                    let outcome = search(&searcher, &mut uniform(), &mut *scorer);
                    let stop = outcome.best.stop;
                    assert_ne!(stop, Some(StopReason::Pruned), "{} {budget:?}", outcome.strategy);
                    assert!(outcome.usage.policy.calls <= budget.max_policy_calls.unwrap_or(u64::MAX));
                    assert!(outcome.usage.reward.calls <= budget.max_reward_calls.unwrap_or(u64::MAX));
                }
            }
        }
    }
}

#[test]
fn a_search_stopped_at_a_level_answers_with_one_of_that_level() {
    for strategy in strategies() {
        for stop in 0..5 {
            for mut scorer in scorers() {
                let mut policy = uniform();
                let session = session(&policy);
                let mut observer = StopsAt(stop, None);
                let searcher = searcher(strategy.fresh(), 4);
                let outcome = searcher.run_observed(&session, &mut policy, &mut *scorer, &mut observer).unwrap();
                let Some(level) = observer.1.filter(|level| level.index == stop && !level.beam.is_empty()) else {
                    continue;
                };
                let shown = level.beam.iter().any(|entry| entry.tokens == outcome.best.tokens);
                assert!(shown, "{} {}: {:?} not in {level:?}", outcome.strategy, outcome.reward, outcome.best);
            }
        }
    }
}

#[test]
fn short_answers_several_ends_and_one_candidate_are_no_trouble() {
    let filters = [
        CandidateFilter { top_k: Some(1), ..CandidateFilter::default() },
        CandidateFilter { end_tokens: vec![0, 1, 3], ..CandidateFilter::default() },
        CandidateFilter { min_new_tokens: 9, ..CandidateFilter::default() },
        CandidateFilter { end_tokens: vec![0, 1, 2, 3], ..CandidateFilter::default() },
    ];
    for strategy in strategies() {
        for filter in &filters {
            for tokens in [1, 2, 5] {
                for mut scorer in scorers() {
                    let searcher = searcher(strategy.fresh(), tokens).filter(filter.clone());
                    let outcome = search(&searcher, &mut uniform(), &mut *scorer);
                    assert!(outcome.best.tokens.len() <= tokens);
                    assert_ne!(outcome.best.stop, Some(StopReason::Pruned), "{}", outcome.strategy);
                }
            }
        }
    }
}

#[test]
fn every_answer_can_be_judged_wherever_its_search_ended() {
    let thresholds = Thresholds::new(-1.0, 1.0).unwrap();
    for strategy in strategies() {
        for mut scorer in scorers() {
            for calls in 0..12 {
                let budget = Budget { max_policy_calls: Some(calls), ..Budget::default() };
                let searcher = searcher(strategy.fresh(), 4).budget(budget).judged_by(thresholds);
                search(&searcher, &mut uniform(), &mut *scorer);
                search(&searcher, &mut Remote::new(3, 2), &mut *scorer);
            }
        }
    }
}

#[test]
fn greedy_decoding_ends_where_the_policy_has_no_candidate() {
    let outcome = search(&searcher(Box::new(Greedy), 6), &mut Remote::new(4, 2), &mut NoReward);
    assert_eq!((outcome.best.tokens.len(), outcome.stop), (2, StopReason::NoSeenCandidate));
}

#[test]
fn an_infinitely_good_token_is_drawn_for_certain() {
    let mut reward = ScriptedReward::new(0.0).with(vec![2], f32::INFINITY).with(vec![2, 3], f32::INFINITY);
    for seed in 0..20 {
        let searcher = searcher(Box::new(RewardSampling::new(1.0)), 2).seed(seed);
        assert_eq!(search(&searcher, &mut uniform(), &mut reward).best.tokens, [2, 3]);
    }
}

#[test]
fn rebase_gives_places_by_the_rewards_it_ranks_by() {
    // Token 2 is unseen. The root's children are 1s and 2s; after 1 comes 1 or 2, and what ends in an unseen 2 still has the reward of its 1.
    let mut reward = ScriptedReward::new(-4.0).with_unseen(set(&[2])).with(vec![1], 4.0);
    for seed in 0..20 {
        let mut policy = TablePolicy::new(vec![f32::NEG_INFINITY, 0.0, 0.0], vec![0]);
        let mut levels = Levels::default();
        let searcher = searcher(Box::new(Rebase::new(8).with_steps(Steps::of(1))), 6).seed(seed);
        let session = session(&policy);
        let outcome = searcher.run_observed(&session, &mut policy, &mut reward, &mut levels).unwrap();
        assert_eq!(outcome.best.stop, Some(StopReason::MaxNewTokens), "seed {seed}");
    }
}

#[test]
fn a_step_beam_that_ends_because_enough_have_finished_answers_with_a_finished_sequence() {
    let mut reward = scattered(8, &[]);
    for seed in 0..50 {
        let searcher = searcher(Box::new(StepBeam::new(4, 2).with_steps(Steps::of(1))), 8).seed(seed);
        let outcome = search(&searcher, &mut uniform(), &mut reward);
        assert!(outcome.best.stop.is_some(), "seed {seed}: {:?}", outcome.best);
    }
}

#[test]
fn particles_stay_where_rewards_say_nothing() {
    let searcher = searcher(Box::new(ParticleFilter::new(4).with_steps(Steps::of(1))), 4);
    let outcome = search(&searcher, &mut uniform(), &mut scattered(3, &[0, 1, 2, 3]));
    assert_eq!(outcome.beam.len(), 4);
}
