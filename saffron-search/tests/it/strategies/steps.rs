//! Strategies that think in steps.

use saffron_core::testing::{Counting, ScriptedReward, TablePolicy};
use saffron_core::{ConfigError, SearchErrorKind, SearchStrategy, Token};
use saffron_search::strategy::rebase::allocate;
use saffron_search::strategy::{PathScore, Steps};
use saffron_search::{BestOfN, Dvts, ParticleFilter, Rebase, StepBeam};

use super::{run, searcher};
use crate::traces::Levels;
use crate::worlds::{session, uniform};

/// Token 0 ends but is never drawn; 1 and 2 are equally likely.
fn endless() -> TablePolicy {
    TablePolicy::new(vec![f32::NEG_INFINITY, 0.0, 0.0], vec![0])
}

/// Rewards the share of token 2 among the last tokens, up to a length.
fn likes_two(max_new_tokens: usize) -> ScriptedReward {
    let mut rewards = ScriptedReward::new(0.0);
    let mut level: Vec<Vec<Token>> = vec![Vec::new()];
    for _ in 0..max_new_tokens {
        level = level.iter().flat_map(|stem| [1, 2].map(|token| [&stem[..], &[token]].concat())).collect();
        for response in &level {
            let twos = response.iter().filter(|token| **token == 2).count();
            rewards = rewards.with(response.clone(), twos as f32);
        }
    }
    rewards
}

#[test]
fn rebase_shares_out_places_as_worked_out_by_hand() {
    // e^{s/T} with T = ln 2 ... doubles per unit: weights 4, 2, 1 of 7. ⌈7·4/7⌉ = 4, ⌈3·2/3⌉ = 2, ⌈1·1/1⌉ = 1.
    let halving = 1.0 / 2f64.ln();
    assert_eq!(allocate(7, &[2.0, 1.0, 0.0], halving), [4, 2, 1]);
    // ⌈8·4/7⌉ = 5, ⌈3·2/3⌉ = 2, ⌈1·1⌉ = 1.
    assert_eq!(allocate(8, &[2.0, 1.0, 0.0], halving), [5, 2, 1]);
    // ⌈2·4/7⌉ = 2; nothing is left for the others.
    assert_eq!(allocate(2, &[2.0, 1.0, 0.0], halving), [2, 0, 0]);
    // The published temperature 0.2 over rewards in (0, 1): e^{0.9/0.2} = 90.017, e^{0.5/0.2} = 12.182, e^{0.1/0.2} = 1.649, sum 103.848:
    // ⌈16·90.017/103.848⌉ = ⌈13.869⌉ = 14, ⌈2·12.182/13.831⌉ = ⌈1.7615⌉ = 2, nothing.
    assert_eq!(allocate(16, &[0.9, 0.5, 0.1], 0.2), [14, 2, 0]);
    assert_eq!(allocate(0, &[0.9, 0.5], 0.2), [0, 0]);
    assert_eq!(allocate(3, &[], 0.2), Vec::<usize>::new());
    // Rewards that are missing everywhere share evenly; missing beside others they get nothing.
    assert_eq!(allocate(4, &[f64::NEG_INFINITY; 2], 0.2), [2, 2]);
    assert_eq!(allocate(4, &[0.5, f64::NEG_INFINITY], 0.2), [4, 0]);
    // What floats cannot hold is no trouble.
    assert_eq!(allocate(4, &[1e6, -1e6], 1e-3), [4, 0]);
}

#[test]
fn rebase_gives_finished_sequences_their_place_for_good() {
    // Half of all tokens end a sequence: the width shrinks with each that does, to nothing.
    let mut policy = Counting::new(TablePolicy::new(vec![0.0, 0.0, f32::NEG_INFINITY], vec![0]));
    let session = session(&policy.inner);
    let mut levels = Levels::default();
    let searcher = searcher(Box::new(Rebase::new(16).with_steps(Steps::of(1))), 20);
    let outcome = searcher.run_observed(&session, &mut policy, &mut ScriptedReward::new(1.0), &mut levels).unwrap();
    let finished = outcome.beam.iter().filter(|found| found.tokens.last() == Some(&0)).count();
    assert_eq!(finished, outcome.beam.len());
    assert!(outcome.beam.len() <= 16);
    let open = |level: &saffron_core::Level| level.beam.iter().filter(|entry| entry.stop.is_none()).count();
    let ended = |level: &saffron_core::Level| level.beam.len() - open(level);
    assert!(levels.0.iter().all(|level| open(level) <= 16 && ended(level) <= 16));
}

#[test]
fn step_searches_follow_the_reward() {
    let strategies: [Box<dyn SearchStrategy>; 4] = [
        Box::new(StepBeam::new(16, 4).with_steps(Steps::of(1))),
        Box::new(Dvts::new(16, 4).with_steps(Steps::of(1))),
        Box::new(Rebase::new(16).with_steps(Steps::of(1))),
        Box::new(ParticleFilter::new(16).with_steps(Steps::of(1))),
    ];
    for strategy in strategies {
        let name = strategy.describe();
        let outcome = run(&searcher(strategy, 6), &mut endless(), &mut likes_two(6));
        // A plain sample has three of six; five or six is what guidance gives.
        assert!(outcome.best.reward >= Some(5.0), "{name}: {:?}", outcome.best);
    }
}

#[test]
fn a_step_ends_at_its_length_or_after_a_token_that_ends_it() {
    let mut policy = Counting::new(endless());
    let mut reward = Counting::new(likes_two(6));
    let session = session(&policy.inner);
    let strategy = StepBeam::new(1, 1).with_steps(Steps { tokens: 3, ends: vec![] });
    searcher(Box::new(strategy), 6).run(&session, &mut policy, &mut reward).unwrap();
    assert_eq!((policy.calls, reward.calls), (6, 2), "two steps of three");
    let mut reward = Counting::new(likes_two(6));
    let strategy = StepBeam::new(1, 1).with_steps(Steps { tokens: 6, ends: vec![1, 2] });
    searcher(Box::new(strategy), 6).run(&session, &mut policy, &mut reward).unwrap();
    assert_eq!(reward.calls, 6, "every token ends a step");
}

#[test]
fn a_beam_keeps_one_in_so_many_and_fills_up_again() {
    let mut levels = Levels::default();
    let mut policy = endless();
    let session = session(&policy);
    let strategy = StepBeam::new(8, 4).with_steps(Steps::of(1));
    searcher(Box::new(strategy), 3).run_observed(&session, &mut policy, &mut likes_two(3), &mut levels).unwrap();
    let sizes: Vec<usize> = levels.0.iter().map(|level| level.beam.len()).collect();
    // Two survive a step; in the last all eight finish.
    assert_eq!(sizes, [2, 2, 8]);
}

#[test]
fn trees_of_dvts_do_not_mix() {
    let mut levels = Levels::default();
    let mut policy = endless();
    let session = session(&policy);
    let strategy = Dvts::new(8, 2).with_steps(Steps::of(1));
    let rewards = &mut ScriptedReward::new(0.0);
    searcher(Box::new(strategy), 3).run_observed(&session, &mut policy, rewards, &mut levels).unwrap();
    // Without preference the first child of every tree goes on: four independent samples.
    assert!(levels.0.iter().all(|level| level.beam.len() == 4));
    let best = run(&searcher(Box::new(BestOfN::new(8)), 3), &mut endless(), &mut ScriptedReward::new(0.0)).beam;
    let firsts: Vec<_> = best.iter().step_by(2).map(|found| found.tokens.clone()).collect();
    let found: Vec<_> = levels.0[2].beam.iter().map(|entry| entry.tokens.clone()).collect();
    assert_eq!(found, firsts);
}

#[test]
fn scores_of_step_rewards_decide_as_they_are_called() {
    // [1] is bad and makes [1, 1] splendid; [2] is fair, and so is what follows.
    let rewards = || {
        ScriptedReward::new(0.0)
            .with(vec![1], -9.0)
            .with(vec![1, 1], 10.0)
            .with(vec![1, 2], 10.0)
            .with(vec![2], 2.0)
            .with(vec![2, 1], 3.0)
            .with(vec![2, 2], 3.0)
    };
    for (score, first) in [(PathScore::Last, 1), (PathScore::Mean, 2), (PathScore::Sum, 2), (PathScore::Min, 2)] {
        let strategy = StepBeam::new(16, 1).with_steps(Steps::of(1)).with_score(score);
        let outcome = run(&searcher(Box::new(strategy), 2), &mut endless(), &mut rewards());
        assert_eq!(outcome.best.tokens[0], first, "{score}");
    }
}

#[test]
fn settings_that_make_no_search_are_refused() {
    let zero: Vec<Box<dyn SearchStrategy>> = vec![
        Box::new(BestOfN::new(0)),
        Box::new(StepBeam::new(0, 1)),
        Box::new(StepBeam::new(1, 0)),
        Box::new(Dvts::new(1, 1).with_steps(Steps::of(0))),
        Box::new(Rebase::new(0)),
        Box::new(ParticleFilter::new(0)),
    ];
    for strategy in zero {
        let name = strategy.describe();
        let (mut policy, session) = (uniform(), session(&uniform()));
        let error = searcher(strategy, 2).run(&session, &mut policy, &mut ScriptedReward::new(0.0)).unwrap_err();
        assert!(matches!(error.kind(), SearchErrorKind::Config(ConfigError::Zero { .. })), "{name}: {error}");
    }
}
