//! The rules of the two presets.

use saffron_core::testing::{Counting, ScriptedReward, TablePolicy};
use saffron_core::{PrmScorer, StopReason, Token};
use saffron_search::{Greedy, Preset, Searcher};

use super::{brute_force, run, saffron};
use crate::worlds::{scatter, scattered, session, set, uniform};

#[test]
fn a_beam_as_wide_as_the_tree_finds_what_brute_force_finds() {
    for unseen in [&[][..], &[3], &[0], &[0, 2]] {
        let outcome = run(&saffron(Preset::Paper, 10_000, 4), &mut uniform(), &mut scattered(4, unseen));
        // An unseen end scores what stands before it, which at the root is nothing.
        let expected = brute_force(4, 4, |response| match response.split_last() {
            Some((0, before)) if unseen.contains(&0) => (!before.is_empty()).then(|| scatter(before)),
            Some((token, _)) => (!unseen.contains(token)).then(|| scatter(response)),
            None => None,
        });
        assert_eq!(outcome.best.tokens, expected, "unseen {unseen:?}");
    }
}

#[test]
fn width_one_is_greedy_over_rewards() {
    let outcome = run(&saffron(Preset::Paper, 1, 4), &mut uniform(), &mut scattered(4, &[]));
    let mut expected: Vec<Token> = Vec::new();
    while expected.len() < 4 && expected.last() != Some(&0) {
        let children = (0..4).map(|token| [&expected[..], &[token]].concat());
        expected = children.reduce(|a, b| if scatter(&b) > scatter(&a) { b } else { a }).unwrap();
    }
    assert_eq!(outcome.best.tokens, expected);
    assert_eq!(outcome.best.reward, Some(scatter(&expected)));
}

#[test]
fn a_prm_over_the_same_rewards_picks_the_same_and_asks_more() {
    for preset in [Preset::Paper, Preset::Reference] {
        let searcher = saffron(preset, 3, 4);
        let mut mrm = Counting::new(scattered(4, &[]));
        let by_mrm = run(&searcher, &mut uniform(), &mut mrm);
        let mut prm = PrmScorer(Counting::new(scattered(4, &[])));
        let by_prm = run(&searcher, &mut uniform(), &mut prm);
        assert_eq!(by_mrm.beam, by_prm.beam);
        assert!(prm.0.sessions >= 3 * mrm.sessions, "one call a child against one a sequence");
        assert!(by_prm.usage.attributed_flops() > by_mrm.usage.attributed_flops());
    }
}

#[test]
fn one_reward_call_a_sequence_and_step() {
    let mut policy = Counting::new(uniform());
    let mut reward = Counting::new(scattered(4, &[0]));
    let session = session(&policy.inner);
    saffron(Preset::Reference, 3, 4).run(&session, &mut policy, &mut reward).unwrap();
    assert_eq!((policy.calls, reward.calls), (4, 4), "one batch a step");
    assert_eq!(reward.sessions, 1 + 3 + 3 + 3);
}

#[test]
fn paper_unseen_tokens_are_no_candidates() {
    let mut reward = scattered(4, &[1, 3]);
    let outcome = run(&saffron(Preset::Paper, 5, 4), &mut uniform(), &mut reward);
    assert!(outcome.beam.iter().all(|found| found.tokens.iter().all(|token| ![1, 3].contains(token))));
}

#[test]
fn paper_an_unseen_end_scores_what_its_parent_last_scored_and_never_at_the_root() {
    // Only token 2 is seen. [2] scores 5, so [2, 0] scores 5 too and beats [2, 2] with 1.
    let mut reward = ScriptedReward::new(1.0).with(vec![2], 5.0).with_unseen(set(&[0, 1, 3]));
    let outcome = run(&saffron(Preset::Paper, 4, 3), &mut uniform(), &mut reward);
    assert_eq!(outcome.best.tokens, [2, 0]);
    assert_eq!((outcome.best.reward, outcome.stop), (Some(5.0), StopReason::EndOfSequence(0)));
    // With nothing but the end of sequence possible at the root there is no candidate.
    let mut reward = ScriptedReward::new(1.0).with_unseen(set(&[0, 1, 2, 3]));
    let outcome = run(&saffron(Preset::Paper, 4, 3), &mut uniform(), &mut reward);
    assert_eq!(outcome.stop, StopReason::NoSeenCandidate);
    assert!(outcome.best.tokens.is_empty());
}

#[test]
fn paper_a_dead_end_ends_with_the_best_so_far() {
    // After token 2 the policy can only say 3, which is unseen.
    let only_three = vec![f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0];
    let mut policy = uniform().with_row(vec![2], only_three.clone()).with_row(vec![1], only_three);
    let mut reward = ScriptedReward::new(-1.0).with(vec![2], 4.0).with_unseen(set(&[0, 3]));
    let outcome = run(&saffron(Preset::Paper, 2, 3), &mut policy, &mut reward);
    assert_eq!(outcome.stop, StopReason::NoSeenCandidate);
    assert_eq!((outcome.best.tokens, outcome.best.reward), (vec![2], Some(4.0)));
}

#[test]
fn paper_finished_sequences_free_their_place() {
    // [0] is the best first token. With width 1 it takes the only place; the beam is then empty and the search over.
    let mut reward = ScriptedReward::new(0.0).with(vec![0], 9.0);
    let outcome = run(&saffron(Preset::Paper, 1, 5), &mut uniform(), &mut reward);
    assert_eq!((outcome.best.tokens, outcome.stop), (vec![0], StopReason::EndOfSequence(0)));
    assert_eq!(outcome.usage.policy.calls, 1);
    // With width 2 the other place goes on, and may fill both again.
    let mut reward =
        ScriptedReward::new(0.0).with(vec![0], 9.0).with(vec![1], 8.0).with(vec![1, 2], 7.0).with(vec![1, 3], 6.0);
    let outcome = run(&saffron(Preset::Paper, 2, 2), &mut uniform(), &mut reward);
    let beam: Vec<&[Token]> = outcome.beam.iter().map(|found| &found.tokens[..]).collect();
    assert_eq!(beam, [&[0][..], &[1, 2], &[1, 3]]);
    assert_eq!(outcome.best.tokens, [0]);
}

#[test]
fn no_end_of_sequence_before_the_minimum() {
    for preset in [Preset::Paper, Preset::Reference] {
        let mut reward = ScriptedReward::new(0.0).with(vec![0], 9.0).with(vec![1, 0], 9.0);
        let searcher = saffron(preset, 4, 3).min_new_tokens(2);
        let outcome = run(&searcher, &mut uniform(), &mut reward);
        assert!(outcome.beam.iter().all(|found| found.tokens.len() > 2 || found.tokens.last() != Some(&0)));
    }
}

#[test]
fn reference_unseen_tokens_are_taken_when_nothing_else_is_left() {
    let mut reward = ScriptedReward::new(0.0).with_unseen(set(&[0, 1, 2, 3]));
    let outcome = run(&saffron(Preset::Reference, 4, 2), &mut uniform(), &mut reward);
    // All tie at −1024: the order is the policy's, then the token's. The finished one comes first for ever.
    assert_eq!((outcome.best.tokens, outcome.best.reward), (vec![0], Some(-1024.0)));
    assert_eq!(outcome.beam[1].tokens, [1, 0]);
}

#[test]
fn reference_only_finished_sequences_keep_a_reward() {
    let outcome = run(&saffron(Preset::Reference, 3, 4), &mut uniform(), &mut scattered(4, &[]));
    for found in &outcome.beam {
        assert_eq!(found.reward.is_some(), found.tokens.last() == Some(&0), "{found:?}");
    }
}

#[test]
fn reference_levels_go_on_when_all_have_finished() {
    let mut reward = ScriptedReward::new(0.0).with(vec![0], 9.0);
    let mut levels = crate::traces::Levels::default();
    let mut policy = uniform();
    let session = session(&policy);
    let searcher = saffron(Preset::Reference, 1, 6);
    let outcome = searcher.run_observed(&session, &mut policy, &mut reward, &mut levels).unwrap();
    assert_eq!(levels.0.len(), 7);
    assert_eq!((outcome.best.tokens, outcome.usage.policy.calls), (vec![0], 1));
}

#[test]
fn ties_break_by_parent_then_probability_then_token() {
    let mut policy = TablePolicy::new(vec![-9.0, 1.0, 1.0, 2.0], vec![0]);
    let mut reward = ScriptedReward::new(0.0);
    let outcome = run(&saffron(Preset::Paper, 4, 2), &mut policy, &mut reward);
    let beam: Vec<&[Token]> = outcome.beam.iter().map(|found| &found.tokens[..]).collect();
    // First level by probability: 3, then 1 and 2 by id, then 0, which ends. Then the children of 3 come before all others.
    assert_eq!(beam, [&[0][..], &[3, 0], &[3, 3], &[3, 1], &[3, 2]]);
}

#[test]
fn greedy_follows_the_policy() {
    let mut policy = TablePolicy::new(vec![0.0, 3.0, 1.0, 0.5], vec![0]).with_row(vec![1, 1], vec![5.0, 0.0, 0.0, 0.0]);
    let outcome = run(&Searcher::new(Greedy), &mut policy, &mut ScriptedReward::new(0.0));
    assert_eq!((outcome.best.tokens, outcome.stop), (vec![1, 1, 0], StopReason::EndOfSequence(0)));
    let outcome = run(&Searcher::new(Greedy).max_new_tokens(1), &mut policy, &mut ScriptedReward::new(0.0));
    assert_eq!(outcome.stop, StopReason::MaxNewTokens);
}
