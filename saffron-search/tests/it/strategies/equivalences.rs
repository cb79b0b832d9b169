//! Where two strategies must agree, they do.

use saffron_core::testing::{Counting, ScriptedReward, TablePolicy, conformance};
use saffron_core::{Hypothesis, OrmScorer, PrmScorer, SearchStrategy, Token};
use saffron_search::strategy::{Steps, StrategyConfig};
use saffron_search::{
    Args, BestOfN, Deal, Dvts, Greedy, Mcts, ParticleFilter, Preset, Rebase, RewardSampling, Sampling, StepBeam,
};

use super::{all, brute_force, run, saffron, searcher};
use crate::worlds::{scatter, scattered, session, uniform};

/// Token 0 ends; the others differ, so that draws tell.
fn skewed() -> TablePolicy {
    TablePolicy::new(vec![-1.0, 0.5, 0.0, 0.3], vec![0])
}

fn found(strategy: impl SearchStrategy + 'static, seed: u64) -> Hypothesis {
    let searcher = searcher(Box::new(strategy), 5).seed(seed);
    run(&searcher, &mut skewed(), &mut scattered(5, &[])).best
}

#[test]
fn the_best_of_one_is_a_sample_and_so_is_every_search_of_one() {
    for seed in 0..20 {
        let sample = found(Sampling::default(), seed).tokens;
        assert_eq!(found(BestOfN::new(1), seed).tokens, sample);
        assert_eq!(found(StepBeam::new(1, 1).with_steps(Steps::of(2)), seed).tokens, sample);
        assert_eq!(found(Dvts::new(1, 1).with_steps(Steps::of(3)), seed).tokens, sample);
        assert_eq!(found(Rebase::new(1), seed).tokens, sample);
        assert_eq!(found(ParticleFilter::new(1).with_steps(Steps::of(1)), seed).tokens, sample);
    }
    let samples: std::collections::BTreeSet<_> = (0..20).map(|seed| found(Sampling::default(), seed).tokens).collect();
    assert!(samples.len() > 5, "seeds make samples differ");
}

#[test]
fn a_beam_that_drops_nothing_is_the_best_of_n() {
    for seed in 0..10 {
        let best = found(BestOfN::new(6), seed);
        assert_eq!(found(Dvts::new(6, 1).with_steps(Steps::of(2)), seed).tokens, best.tokens);
        assert_eq!(best.reward, Some(scatter(&best.tokens)));
        // A beam fills up again where sequences have finished; here none does.
        let endless = |strategy: Box<dyn SearchStrategy>| {
            let mut policy = TablePolicy::new(vec![f32::NEG_INFINITY, 0.5, 0.0, 0.3], vec![0]);
            run(&searcher(strategy, 5).seed(seed), &mut policy, &mut scattered(5, &[])).best.tokens
        };
        let beam = StepBeam::new(6, 1).with_steps(Steps::of(2));
        assert_eq!(endless(Box::new(beam)), endless(Box::new(BestOfN::new(6))));
    }
}

#[test]
fn more_samples_only_add_samples() {
    let samples = |n| {
        let outcome = run(&searcher(Box::new(BestOfN::new(n)), 5), &mut skewed(), &mut scattered(5, &[]));
        outcome.beam.into_iter().map(|found| found.tokens).collect::<Vec<_>>()
    };
    assert_eq!(samples(3), samples(8)[..3]);
}

#[test]
fn without_weight_on_the_reward_guided_decoding_is_greedy() {
    let greedy = found(Greedy, 0).tokens;
    assert_eq!(found(Args::greedy(0.0), 0).tokens, greedy);
    assert_eq!(found(Deal::new(1, 0, 0.0), 0).tokens, greedy);
    assert_eq!(found(Deal::new(1, 2, 0.0), 0).tokens, greedy);
}

#[test]
fn under_equal_rewards_reward_sampling_is_sampling() {
    for seed in 0..10 {
        let of = |strategy: Box<dyn SearchStrategy>| {
            let searcher = searcher(strategy, 5).seed(seed);
            run(&searcher, &mut skewed(), &mut ScriptedReward::new(2.0)).best.tokens
        };
        let sample = of(Box::<Sampling>::default());
        assert_eq!(of(Box::new(RewardSampling::new(0.5))), sample);
        assert_eq!(of(Box::new(Args::stochastic(3.0, 1.0))), sample);
    }
}

#[test]
fn one_walk_a_token_is_a_beam_of_one() {
    let walk = run(&searcher(Box::new(Mcts::puct(1)), 4), &mut uniform(), &mut scattered(4, &[]));
    let beam = run(&saffron(Preset::Paper, 1, 4), &mut uniform(), &mut scattered(4, &[]));
    assert_eq!(walk.best.tokens, beam.best.tokens);
}

#[test]
fn a_wide_beam_over_probability_and_reward_finds_what_brute_force_finds() {
    let policy = || TablePolicy::new(vec![0.1, 0.7, -0.4], vec![0]);
    let logprobs = {
        let total: f32 = [0.1f32, 0.7, -0.4].iter().map(|logit| logit.exp()).sum();
        [0.1f32, 0.7, -0.4].map(|logit| logit - total.ln())
    };
    for weight in [0.0, 0.3, 5.0] {
        let outcome = run(&searcher(Box::new(Deal::new(1000, 0, weight)), 4), &mut policy(), &mut scattered(4, &[]));
        let expected = brute_force(3, 4, |response: &[Token]| {
            let logprob: f32 = response.iter().map(|token| logprobs[*token as usize]).sum();
            Some(logprob + weight * scatter(response))
        });
        assert_eq!(outcome.best.tokens, expected, "weight {weight}");
    }
}

#[test]
fn enough_walks_find_what_brute_force_finds() {
    for shift in 0..4u32 {
        let mut rewards = ScriptedReward::new(0.0);
        let reward = |response: &[Token]| scatter(&[&[shift][..], response].concat());
        let pairs = (0..3).flat_map(|a| [vec![a], vec![a, 0], vec![a, 1], vec![a, 2]]);
        for response in pairs {
            rewards = rewards.with(response.clone(), reward(&response));
        }
        let mut policy = TablePolicy::new(vec![0.0; 3], vec![0]);
        let walks = Mcts::puct(3000).with_exploration(0.5);
        let outcome = run(&searcher(Box::new(walks), 2), &mut policy, &mut rewards);
        assert_eq!(outcome.best.tokens, brute_force(3, 2, |response| Some(reward(response))), "shift {shift}");
    }
}

#[test]
fn every_strategy_picks_the_same_with_a_reward_model_of_any_kind() {
    for strategy in all() {
        let name = strategy.describe();
        let searcher = searcher(strategy, 5).seed(3);
        let mut mrm = Counting::new(scattered(5, &[]));
        let by_mrm = run(&searcher, &mut skewed(), &mut mrm);
        let mut prm = PrmScorer(Counting::new(scattered(5, &[])));
        let by_prm = run(&searcher, &mut skewed(), &mut prm);
        let mut orm = OrmScorer(Counting::new(scattered(5, &[])));
        let by_orm = run(&searcher, &mut skewed(), &mut orm);
        assert_eq!((&by_mrm.best, &by_mrm.beam), (&by_prm.best, &by_prm.beam), "{name}");
        assert_eq!((&by_mrm.best, &by_mrm.beam), (&by_orm.best, &by_orm.beam), "{name}");
        assert!(prm.0.sessions >= mrm.sessions, "{name}: a whole-sequence model is asked at least as often");
    }
    // Where the children of a sequence are looked at, more often.
    for strategy in [Box::new(Args::greedy(1.0)) as Box<dyn SearchStrategy>, Box::new(Mcts::puct(5))] {
        let searcher = searcher(strategy, 5);
        let mut mrm = Counting::new(scattered(5, &[]));
        let mut prm = PrmScorer(Counting::new(scattered(5, &[])));
        run(&searcher, &mut skewed(), &mut mrm);
        run(&searcher, &mut skewed(), &mut prm);
        assert!(prm.0.sessions > 2 * mrm.sessions, "{} against {}", prm.0.sessions, mrm.sessions);
    }
}

#[test]
fn every_strategy_keeps_its_promises() {
    for strategy in all() {
        let (mut policy, mut reward) = (skewed(), scattered(5, &[0, 2]));
        let session = session(&policy);
        let settings = searcher(Box::new(Greedy), 5).settings().clone();
        let mut port = conformance::port(&mut policy, &mut reward);
        conformance::strategy(&*strategy, &mut port, &session, &settings);
    }
}

#[test]
fn every_strategy_can_be_written_in_a_file_and_runs_as_published() {
    let kinds = [
        ("greedy", "greedy"),
        ("sampling", "sampling"),
        ("best-of-n", "best-of-n (n 4)"),
        ("step-beam", "step beam (beams 4, children 4, steps of 8, score last)"),
        ("dvts", "dvts (samples 4, children 4, steps of 8, score last)"),
        ("rebase", "rebase (width 4, temperature 0.2, steps of 8)"),
        ("particle-filter", "particle filter (particles 4, steps of 8)"),
        ("deal", "deal (width 4, lookahead 0, weight 1)"),
        ("mcts", "mcts (simulations 4, exploration 1.25, lookahead 0)"),
        ("args", "args (greedy, weight 1)"),
        ("reward-sampling", "reward sampling (β 1)"),
        ("saffron", "saffron (fluent, width 4, prior 0.2, rewards up to 3, past dead ends)"),
        ("answer-filter", "answer filter (tries 4, threshold 0)"),
        ("rollback", "rollback (alarms 4, threshold 0, every 8, back 8, draws again)"),
        ("value-filter", "value filter (in order, threshold 0)"),
        (
            "risk-stop",
            "risk stop (bound 0.535, smoothing 0.8, scale 0.8) of saffron (fluent, width 4, prior 0.2, rewards up to 3, \
             past dead ends)",
        ),
    ];
    for (kind, name) in kinds {
        let config: StrategyConfig = serde_json::from_str(&format!("{{\"kind\": \"{kind}\"}}")).unwrap();
        // Four tokens run out of new 3-grams, which the default Saffron search asks for.
        let most = if ["saffron", "risk-stop"].contains(&kind) { 12 } else { 32 };
        let searcher = searcher(config.build(4), most).filter(config.filter());
        let outcome = run(&searcher, &mut skewed(), &mut scattered(3, &[]));
        assert_eq!(outcome.strategy, name);
        assert!((1..=most).contains(&outcome.best.tokens.len()) && outcome.best.stop.is_some(), "{name}");
        let again = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<StrategyConfig>(&again).unwrap(), config);
        let wrong = format!("{{\"kind\": \"{kind}\", \"token\": 1}}");
        assert!(serde_json::from_str::<StrategyConfig>(&wrong).is_err(), "{kind} takes what it does not know");
    }
}
