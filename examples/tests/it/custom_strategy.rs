//! The strategy of the example `custom_strategy`, over tables.

#[path = "../../custom_strategy/reject_and_resample.rs"]
mod reject_and_resample;

use reject_and_resample::RejectAndResample;
use saffron_core::testing::{ScriptedReward, TablePolicy, conformance};
use saffron_core::{CandidateFilter, ContextSettings, Outcome, SearchError};
use saffron_search::Searcher;

/// Token 0 ends a sequence and is rare; the others are alike.
fn policy() -> TablePolicy {
    TablePolicy::new(vec![-4.0, 1.0, 1.0, 1.0], vec![0])
}

fn settings(seed: u64) -> ContextSettings {
    ContextSettings { filter: CandidateFilter::default(), max_new_tokens: 5, budget: Default::default(), seed }
}

fn search(strategy: RejectAndResample, reward: &mut ScriptedReward, seed: u64) -> Result<Outcome, SearchError> {
    let mut policy = policy();
    let session = policy.session(&[1]).unwrap();
    Searcher::with_settings(Box::new(strategy), settings(seed)).run(&session, &mut policy, reward)
}

#[test]
fn it_keeps_to_what_every_strategy_must() {
    let (mut policy, mut reward) = (policy(), ScriptedReward::new(-1.0).with(vec![2, 2], 3.0));
    let session = policy.session(&[1, 2]).unwrap();
    for (draws, tokens) in [(1, 1), (4, 2), (8, 9)] {
        let strategy = RejectAndResample::new(0.0, draws, tokens);
        conformance::strategy(
            &strategy,
            &mut conformance::port(&mut policy, &mut reward),
            &session,
            &settings(draws as u64),
        );
    }
}

#[test]
fn a_step_that_reaches_the_bar_is_not_drawn_again() {
    let outcome = search(RejectAndResample::new(1.0, 8, 5), &mut ScriptedReward::new(1.0), 3).unwrap();
    assert_eq!(outcome.usage.reward.calls, 1);
    let outcome = search(RejectAndResample::new(1.5, 8, 5), &mut ScriptedReward::new(1.0), 3).unwrap();
    assert_eq!(outcome.usage.reward.calls, 8);
}

#[test]
fn a_first_token_with_enough_reward_is_drawn_until_it_is_found() {
    let mut reward = ScriptedReward::new(-1.0).with(vec![3], 1.0);
    for seed in 0..20 {
        let outcome = search(RejectAndResample::new(0.0, 64, 1), &mut reward, seed).unwrap();
        assert_eq!(outcome.best.tokens[0], 3, "seed {seed}");
    }
}

#[test]
fn of_draws_that_all_fall_short_the_best_is_kept() {
    let mut reward = ScriptedReward::new(-3.0).with(vec![2], -1.0);
    let outcome = search(RejectAndResample::new(0.0, 64, 1), &mut reward, 5).unwrap();
    assert_eq!(outcome.best.tokens[0], 2);
}

#[test]
fn settings_that_mean_nothing_are_refused_by_name() {
    let refused = |strategy| search(strategy, &mut ScriptedReward::new(0.0), 0).unwrap_err().to_string();
    assert_eq!(refused(RejectAndResample::new(0.0, 0, 1)), "draws must be at least 1, found 0");
    assert_eq!(refused(RejectAndResample::new(0.0, 1, 0)), "step-tokens must be at least 1, found 0");
    assert_eq!(refused(RejectAndResample::new(f32::NAN, 1, 1)), "bar must be finite, found NaN");
}
