//! Strategies that weigh probability and reward token by token.

use saffron_core::testing::{Counting, ScriptedReward, TablePolicy};
use saffron_core::{ConfigError, SearchErrorKind, SearchStrategy, StopReason};
use saffron_search::{Args, Deal, Mcts, RewardSampling};

use super::{run, searcher};
use crate::worlds::{session, set, uniform};

#[test]
fn the_weight_decides_between_probability_and_reward() {
    // Token 1 is two nats more probable, token 2 rewarded by one more.
    let policy = || TablePolicy::new(vec![-9.0, 2.0, 0.0], vec![0]);
    let rewards = || ScriptedReward::new(0.0).with(vec![2], 1.0);
    for (weight, token) in [(1.9, 1), (2.1, 2)] {
        let args = run(&searcher(Box::new(Args::greedy(weight)), 1), &mut policy(), &mut rewards());
        assert_eq!(args.best.tokens, [token], "args {weight}");
        let deal = run(&searcher(Box::new(Deal::new(1, 0, weight)), 1), &mut policy(), &mut rewards());
        assert_eq!(deal.best.tokens, [token], "deal {weight}");
    }
}

#[test]
fn reward_sampling_draws_from_the_tilted_policy() {
    // π = (½, ½) over tokens 1 and 2, rewards 0 and ln 3, β 1: token 2 with probability ¾.
    let mut policy = TablePolicy::new(vec![f32::NEG_INFINITY, 0.0, 0.0], vec![0]);
    let mut rewards = ScriptedReward::new(0.0).with(vec![2], 3f32.ln());
    let mut twos = 0;
    for seed in 0..4000 {
        let searcher = searcher(Box::new(RewardSampling::new(1.0)), 1).seed(seed);
        twos += u32::from(run(&searcher, &mut policy, &mut rewards).best.tokens == [2]);
    }
    // Four standard deviations of a share of ¾ among 4,000.
    assert!((f64::from(twos) / 4000.0 - 0.75).abs() < 4.0 * (0.75f64 * 0.25 / 4000.0).sqrt(), "{twos}");
}

#[test]
fn lookahead_sees_where_a_token_leads() {
    // [1] looks well and leads to ruin by the policy's own preference for 3 after it; [2] leads to good.
    let policy = || uniform().with_row(vec![1], vec![0.0, 0.0, 0.0, 9.0]).with_row(vec![2], vec![0.0, 0.0, 0.0, 9.0]);
    let rewards =
        || ScriptedReward::new(0.0).with(vec![1], 5.0).with(vec![1, 3], -5.0).with(vec![2], -1.0).with(vec![2, 3], 5.0);
    let first =
        |strategy: Box<dyn SearchStrategy>| run(&searcher(strategy, 2), &mut policy(), &mut rewards()).best.tokens[0];
    assert_eq!(first(Box::new(Deal::new(1, 0, 1.0))), 1);
    assert_eq!(first(Box::new(Deal::new(1, 1, 1.0))), 2);
    assert_eq!(first(Box::new(Mcts::puct(60).with_lookahead(1))), 2);
}

#[test]
fn unseen_tokens_are_not_taken_but_an_unseen_end_is() {
    let strategies: [fn() -> Box<dyn SearchStrategy>; 4] = [
        || Box::new(Args::greedy(1.0)),
        || Box::new(Deal::new(2, 0, 1.0)),
        || Box::new(Mcts::puct(8)),
        || Box::new(RewardSampling::new(1.0)),
    ];
    for strategy in strategies {
        let mut rewards = ScriptedReward::new(0.0).with(vec![2], 3.0).with_unseen(set(&[0, 1, 3]));
        let outcome = run(&searcher(strategy(), 3), &mut uniform(), &mut rewards);
        let (last, before) = outcome.best.tokens.split_last().unwrap();
        assert!(before.iter().all(|token| *token == 2) && [0, 2].contains(last), "{}", outcome.strategy);
        assert!(!before.is_empty(), "an unseen end at the root has nothing to score");
        let mut nothing = ScriptedReward::new(0.0).with_unseen(set(&[0, 1, 2, 3]));
        let outcome = run(&searcher(strategy(), 3), &mut uniform(), &mut nothing);
        assert!(outcome.best.tokens.is_empty(), "{}", outcome.strategy);
        assert_eq!(outcome.stop, StopReason::NoSeenCandidate, "{}", outcome.strategy);
    }
}

#[test]
fn a_search_that_expands_asks_an_mrm_once_a_walk() {
    let mut mrm = Counting::new(ScriptedReward::new(0.0));
    let mut policy = Counting::new(uniform());
    let session = session(&policy.inner);
    searcher(Box::new(Mcts::puct(10)), 1).run(&session, &mut policy, &mut mrm).unwrap();
    // One token at most: the root is expanded once, all other walks end at its children.
    assert_eq!((policy.calls, mrm.calls), (1, 1));
}

#[test]
fn numbers_that_make_no_search_are_refused() {
    let bad: [(Box<dyn SearchStrategy>, &str); 6] = [
        (Box::new(Args::greedy(f32::NAN)), "weight"),
        (Box::new(Args::stochastic(1.0, 0.0)), "temperature"),
        (Box::new(RewardSampling::new(0.0)), "β"),
        (Box::new(Deal::new(0, 0, 1.0)), "width"),
        (Box::new(Mcts::puct(0)), "simulations"),
        (Box::new(Mcts::puct(1).with_exploration(f32::INFINITY)), "weight"),
    ];
    for (strategy, names) in bad {
        let (mut policy, session) = (uniform(), session(&uniform()));
        let error = searcher(strategy, 2).run(&session, &mut policy, &mut ScriptedReward::new(0.0)).unwrap_err();
        assert!(matches!(error.kind(), SearchErrorKind::Config(_)) && error.to_string().contains(names), "{error}");
        assert!(!matches!(error.kind(), SearchErrorKind::Config(ConfigError::TopP { .. })));
    }
}
