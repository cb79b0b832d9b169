//! Verdicts: what they rest on, what follows from them, and where their thresholds come from.

use proptest::prelude::*;
use saffron_core::testing::{Counting, ScriptedReward};
use saffron_core::{Budget, NoReward, Safety, SearchErrorKind, Thresholds};
use saffron_search::calibrate::{Calibration, CalibrationError, Labelled, calibrate};
use saffron_search::{BestOfN, Greedy, Preset, Reaction, Rules, Saffron, Searcher};

use crate::worlds::{session, set, uniform};

fn thresholds() -> Thresholds {
    Thresholds::new(-1.0, 1.0).unwrap()
}

#[test]
fn a_verdict_rests_on_what_the_reward_model_says_of_the_answer() {
    for (reward, safety) in [(-1.5, Safety::Unsafe), (0.0, Safety::Undecided), (1.0, Safety::Safe)] {
        for saffron in [Saffron::paper(2), Saffron::reference(2)] {
            let (mut policy, session) = (uniform(), session(&uniform()));
            let searcher = Searcher::new(saffron).max_new_tokens(3).judged_by(thresholds());
            let outcome = searcher.run(&session, &mut policy, &mut ScriptedReward::new(reward)).unwrap();
            assert_eq!((outcome.verdict.safety, outcome.verdict.reward), (safety, Some(reward)));
            assert_eq!(outcome.replacement, None);
        }
    }
}

#[test]
fn an_unseen_end_is_judged_by_what_it_ends() {
    // The reference keeps −1024 for it, which is a penalty and no judgement.
    let mut reward = ScriptedReward::new(0.0).with(vec![2], 5.0).with_unseen(set(&[0, 1, 3]));
    for preset in [Preset::Paper, Preset::Reference] {
        let (mut policy, session) = (uniform(), session(&uniform()));
        let searcher = Searcher::new(Saffron::of(preset, 1)).min_new_tokens(0).max_new_tokens(1);
        let outcome = searcher.judged_by(thresholds()).run(&session, &mut policy, &mut reward).unwrap();
        assert_eq!((outcome.best.tokens, outcome.verdict.safety), (vec![2], Safety::Safe), "{preset}");
    }
}

#[test]
fn a_search_that_asked_for_no_reward_is_judged_for_one_more_call() {
    let (mut policy, session) = (uniform(), session(&uniform()));
    let mut reward = Counting::new(ScriptedReward::new(3.0));
    let searcher = Searcher::new(Greedy).max_new_tokens(3).judged_by(thresholds());
    let outcome = searcher.run(&session, &mut policy, &mut reward).unwrap();
    assert_eq!((outcome.verdict.safety, reward.calls, outcome.usage.reward.calls), (Safety::Safe, 1, 1));
    let outcome = searcher.run(&session, &mut policy, &mut NoReward).unwrap();
    assert_eq!(outcome.verdict.safety, Safety::Undecided);
}

#[test]
fn without_thresholds_or_budget_nothing_is_decided() {
    let (mut policy, session) = (uniform(), session(&uniform()));
    let mut reward = ScriptedReward::new(3.0);
    let outcome = Searcher::new(BestOfN::new(2)).run(&session, &mut policy, &mut reward).unwrap();
    assert_eq!((outcome.verdict.safety, outcome.verdict.reward), (Safety::Undecided, None));
    let budget = Budget { max_reward_calls: Some(0), ..Budget::default() };
    let searcher = Searcher::new(Greedy).budget(budget).judged_by(thresholds());
    let outcome = searcher.run(&session, &mut policy, &mut reward).unwrap();
    assert_eq!(outcome.verdict.safety, Safety::Undecided);
}

#[test]
fn the_caller_has_the_last_word() {
    let run = |reward, rules| {
        let (mut policy, session) = (uniform(), session(&uniform()));
        let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3).ruled_by(rules);
        searcher.run(&session, &mut policy, &mut ScriptedReward::new(reward))
    };
    let refuse = || Reaction::Refuse(String::from("No."));
    let rules = || Rules::new(thresholds()).on_unsafe(Reaction::Error).on_undecided(refuse());
    assert_eq!(run(2.0, rules()).unwrap().replacement, None);
    let undecided = run(0.0, rules()).unwrap();
    assert_eq!(undecided.reply(|_| Err("never asked for")), Ok(String::from("No.")));
    let error = run(-2.0, rules()).unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Refused(verdict) if verdict.safety == Safety::Unsafe), "{error}");
    assert!(error.partial().is_some_and(|outcome| !outcome.best.tokens.is_empty()), "nothing is lost");
}

fn labelled(pairs: &[(f32, bool)]) -> Vec<Labelled> {
    pairs.iter().map(|(reward, safe)| Labelled { reward: *reward, safe: *safe }).collect()
}

#[test]
fn thresholds_allow_as_many_wrong_verdicts_as_they_are_told() {
    let answers =
        labelled(&[(-3.0, false), (-2.0, true), (-1.0, false), (0.0, false), (1.0, true), (2.0, false), (3.0, true)]);
    let strict = calibrate(&answers, 0.0).unwrap();
    assert_eq!((strict.thresholds.unsafe_below(), strict.thresholds.safe_from()), (-2.0, 3.0));
    assert_eq!((strict.wrongly_safe, strict.wrongly_unsafe, strict.undecided), (0, 0, 5));
    // One of three from 1 on is unsafe; one of four below 1 is safe.
    let lax = calibrate(&answers, 0.34).unwrap();
    assert_eq!((lax.thresholds.unsafe_below(), lax.thresholds.safe_from()), (1.0, 1.0));
    assert_eq!((lax.called_safe, lax.wrongly_safe, lax.called_unsafe, lax.wrongly_unsafe), (3, 1, 4, 1));
}

#[test]
fn thresholds_that_meet_keep_to_the_share_too() {
    // Three of seven from 0 on are unsafe: parting there gets most right, but is wrong too often.
    let answers =
        [(-1.0, false), (-1.0, false), (0.0, true), (0.0, true), (0.0, false), (0.0, false), (1.0, true), (2.0, false)];
    let answers = labelled(&[&answers[..], &[(3.0, true)]].concat());
    let found = calibrate(&answers, 0.4).unwrap();
    assert_eq!((found.thresholds.unsafe_below(), found.thresholds.safe_from()), (1.0, 1.0));
    assert_eq!((found.called_safe, found.wrongly_safe, found.called_unsafe, found.wrongly_unsafe), (3, 1, 6, 2));
}

#[test]
fn thresholds_that_rule_a_verdict_out_are_read_back() {
    // The best reward is an unsafe answer's: without a wrong verdict nothing can be called safe.
    let found = calibrate(&labelled(&[(0.0, true), (1.0, false)]), 0.0).unwrap();
    assert_eq!(found.thresholds.safe_from(), f32::INFINITY);
    let written = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Calibration>(&written).unwrap(), found, "{written}");
}

#[test]
fn labels_that_say_nothing_are_refused() {
    let safe = labelled(&[(1.0, true), (2.0, true)]);
    assert_eq!(calibrate(&safe, 0.1), Err(CalibrationError::OneKind { safe: 2, not_safe: 0 }));
    assert_eq!(
        calibrate(&labelled(&[(f32::NAN, true), (0.0, false)]), 0.1),
        Err(CalibrationError::NotANumber { index: 0 })
    );
    assert!(matches!(calibrate(&safe, 1.0), Err(CalibrationError::Share { .. })));
}

proptest! {
    #[test]
    fn calibrated_verdicts_keep_to_the_share(
        pairs in prop::collection::vec((-5i8..5, any::<bool>()), 2..60),
        wrong in 0.0f64..0.5,
    ) {
        let answers: Vec<_> = pairs.iter().map(|(reward, safe)| (f32::from(*reward), *safe)).collect();
        let Ok(found) = calibrate(&labelled(&answers), wrong) else {
            prop_assert!(answers.iter().all(|(_, safe)| *safe == answers[0].1));
            return Ok(());
        };
        let (below, from) = (found.thresholds.unsafe_below(), found.thresholds.safe_from());
        prop_assert!(below <= from);
        prop_assert_eq!(found.called_safe + found.called_unsafe + found.undecided, answers.len());
        prop_assert!(found.wrongly_safe as f64 <= wrong * found.called_safe as f64);
        prop_assert!(found.wrongly_unsafe as f64 <= wrong * found.called_unsafe as f64);
    }
}
