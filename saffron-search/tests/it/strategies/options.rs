//! What Saffron may do that neither the paper nor the reference does.

use saffron_core::testing::{Counting, ScriptedReward, TablePolicy};
use saffron_core::{CandidateFilter, SearchErrorKind, StopReason, Token};
use saffron_search::strategy::saffron::{Adaptive, DeadEnd, SaffronOptions};
use saffron_search::strategy::{PathScore, StrategyConfig};
use saffron_search::{Preset, Saffron, Searcher};

use super::{brute_force, run};
use crate::traces::Levels;
use crate::worlds::{scatter, scattered, session, set, uniform};

fn saffron(width: usize, options: SaffronOptions, max_new_tokens: usize) -> Searcher {
    let searcher = Searcher::new(Saffron::paper(width).with_options(options));
    searcher.top_p(1.0).min_new_tokens(0).max_new_tokens(max_new_tokens)
}

#[test]
fn a_wide_beam_finds_the_best_path_under_every_score() {
    for score in [PathScore::Last, PathScore::Mean, PathScore::Sum, PathScore::Min] {
        let mut policy = TablePolicy::new(vec![0.0; 3], vec![0]);
        let options = SaffronOptions { score, ..SaffronOptions::default() };
        let outcome = run(&saffron(1000, options, 4), &mut policy, &mut scattered(4, &[]));
        let expected = brute_force(3, 4, |response| {
            let rewards: Vec<f32> = (1..=response.len()).map(|length| scatter(&response[..length])).collect();
            Some(match score {
                PathScore::Last => rewards[rewards.len() - 1],
                PathScore::Mean => rewards.iter().sum::<f32>() / rewards.len() as f32,
                PathScore::Sum => rewards.iter().sum(),
                PathScore::Min => rewards.iter().copied().fold(f32::INFINITY, f32::min),
            })
        });
        assert_eq!(outcome.best.tokens, expected, "{score}");
    }
}

#[test]
fn a_prior_draws_the_beam_towards_the_policy() {
    let first = |prior| {
        let mut policy = TablePolicy::new(vec![-9.0, 2.0, 0.0], vec![0]);
        let mut rewards = ScriptedReward::new(0.0).with(vec![2], 1.0);
        run(&saffron(1, SaffronOptions { prior, ..SaffronOptions::default() }, 1), &mut policy, &mut rewards)
            .best
            .tokens
    };
    assert_eq!((first(0.0), first(0.4), first(0.6)), (vec![2], vec![2], vec![1]));
}

#[test]
fn among_rewards_above_the_ceiling_the_policy_decides() {
    let first = |ceiling| {
        let mut policy = TablePolicy::new(vec![-9.0, 2.0, 0.0, 4.0], vec![0]);
        // The policy's favourite is unsafe, its second choice safe, and its last one liked too well.
        let mut rewards = ScriptedReward::new(0.0).with(vec![3], -3.0).with(vec![1], 2.0).with(vec![2], 7.0);
        let options = SaffronOptions { prior: 0.5, ceiling, ..SaffronOptions::default() };
        run(&saffron(1, options, 1), &mut policy, &mut rewards).best.tokens
    };
    assert_eq!((first(None), first(Some(5.0))), (vec![2], vec![2]));
    assert_eq!((first(Some(2.5)), first(Some(1.0))), (vec![1], vec![1]));
    assert_eq!(first(Some(-3.0)), vec![3], "everything is safe enough");
}

#[test]
fn several_tokens_may_end_a_sequence() {
    let mut rewards = ScriptedReward::new(0.0).with(vec![1, 3], 9.0);
    let searcher = saffron(64, SaffronOptions::default(), 4).end_tokens(vec![0, 3]);
    let outcome = run(&searcher, &mut uniform(), &mut rewards);
    assert_eq!((outcome.best.tokens, outcome.stop), (vec![1, 3], StopReason::EndOfSequence(3)));
}

/// Rewards 1 for [1, 1, …], 0 for everything else.
fn ones(max_new_tokens: usize) -> ScriptedReward {
    (1..=max_new_tokens).fold(ScriptedReward::new(0.0), |rewards, length| rewards.with(vec![1; length], 1.0))
}

#[test]
fn a_clearly_safe_beam_narrows_and_costs_less() {
    let search = |adaptive| {
        let mut reward = Counting::new(ones(6));
        let mut policy = uniform();
        let session = session(&policy);
        let mut levels = Levels::default();
        let options = SaffronOptions { adaptive, ..SaffronOptions::default() };
        let searcher = saffron(3, options, 6);
        let outcome = searcher.run_observed(&session, &mut policy, &mut reward, &mut levels).unwrap();
        let open = |level: &saffron_core::Level| level.beam.iter().filter(|entry| entry.stop.is_none()).count();
        (outcome.best.tokens, levels.0.iter().map(open).collect::<Vec<_>>(), reward.sessions)
    };
    let (all, _, cost) = search(None);
    let (tokens, widths, less) = search(Some(Adaptive { safe: 0.5, levels: 2 }));
    assert_eq!(tokens, all);
    // Level 0 is the root; two clearly safe levels later one sequence is left.
    assert_eq!(widths[3..6], [1, 1, 1], "{widths:?}");
    assert!(widths[1] > 1 && less < cost, "{widths:?}: {less} against {cost}");
    // A threshold that is never reached changes nothing.
    assert_eq!(search(Some(Adaptive { safe: 1.5, levels: 1 })), (all, search(None).1, cost));
}

#[test]
fn a_clearly_safe_answer_that_is_finished_ends_the_search() {
    let mut rewards = ScriptedReward::new(0.0).with(vec![2, 0], 3.0);
    let adaptive = Some(Adaptive { safe: 2.0, levels: 5 });
    let outcome =
        run(&saffron(64, SaffronOptions { adaptive, ..SaffronOptions::default() }, 6), &mut uniform(), &mut rewards);
    assert_eq!((outcome.best.tokens, outcome.usage.policy.calls), (vec![2, 0], 2));
    let whole = run(&saffron(64, SaffronOptions::default(), 6), &mut uniform(), &mut rewards);
    assert_eq!((whole.best.tokens, whole.usage.policy.calls), (vec![2, 0], 6));
}

#[test]
fn a_beam_that_is_no_longer_safe_widens_again() {
    let mut rewards = ScriptedReward::new(0.0).with(vec![1], 1.0);
    let mut levels = Levels::default();
    let mut policy = TablePolicy::new(vec![-9.0, 0.0, 0.0, 0.0], vec![0]);
    let session = session(&policy);
    let adaptive = Some(Adaptive { safe: 0.5, levels: 1 });
    let searcher = saffron(3, SaffronOptions { adaptive, ..SaffronOptions::default() }, 4);
    searcher.run_observed(&session, &mut policy, &mut rewards, &mut levels).unwrap();
    let widths: Vec<usize> = levels.0.iter().map(|level| level.beam.len()).collect();
    assert_eq!(widths, [1, 3, 1, 3, 3]);
}

#[test]
fn options_belong_to_the_papers_rules_and_must_be_numbers() {
    let refused = |saffron: Saffron| {
        let (mut policy, session) = (uniform(), session(&uniform()));
        let error = Searcher::new(saffron).run(&session, &mut policy, &mut ScriptedReward::new(0.0)).unwrap_err();
        assert!(matches!(error.kind(), SearchErrorKind::Config(_)), "{error}");
        error.to_string()
    };
    let prior = |prior| SaffronOptions { prior, ..SaffronOptions::default() };
    assert!(refused(Saffron::reference(2).with_options(prior(0.5))).contains("reference preset"));
    assert!(refused(Saffron::paper(2).with_options(prior(f32::NAN))).contains("prior"));
    let ceiling = SaffronOptions { ceiling: Some(f32::INFINITY), ..SaffronOptions::default() };
    assert!(refused(Saffron::paper(2).with_options(ceiling)).contains("ceiling"));
    let adaptive = Some(Adaptive { safe: 1.0, levels: 0 });
    assert!(
        refused(Saffron::paper(2).with_options(SaffronOptions { adaptive, ..SaffronOptions::default() }))
            .contains("adaptive.levels")
    );
}

#[test]
fn outcomes_record_the_options() {
    let options = SaffronOptions { score: PathScore::Sum, prior: 0.5, ..SaffronOptions::default() };
    let outcome = run(&saffron(2, options, 2), &mut uniform(), &mut scattered(2, &[]));
    assert_eq!(outcome.strategy, "saffron (paper, width 2, score sum, prior 0.5)");
    let tokens: &[Token] = &outcome.best.tokens;
    assert!(tokens.len() <= 2);
}

#[test]
fn a_dead_end_ends_a_sequence_or_is_gone_past() {
    // Behind token 1 the policy knows nothing but the unseen token 3, and behind that tokens 1 and 2.
    let favourite = |token: usize| (0..4).map(|other| if other == token { 9.0 } else { -9.0 }).collect::<Vec<f32>>();
    let mut policy = TablePolicy::new(vec![-9.0, 1.0, 1.0, -9.0], vec![0]).with_row(vec![1], favourite(3));
    let rewards = || ScriptedReward::new(1.0).with(vec![1], 2.0).with(vec![1, 3, 2], 5.0).with_unseen(set(&[3]));
    let mut found = |width, dead_end| {
        let searcher = saffron(width, SaffronOptions { dead_end, ..SaffronOptions::default() }, 3).top_p(0.9);
        run(&searcher, &mut policy, &mut rewards())
    };
    // Alone in its beam the sequence ends; it is the answer, as there is no other.
    let ended = found(1, DeadEnd::Ends);
    assert_eq!((&ended.best.tokens[..], ended.stop), (&[1][..], StopReason::NoSeenCandidate));
    assert_eq!(found(2, DeadEnd::Ends).best.tokens[0], 2, "another takes its place");
    let gone = found(1, DeadEnd::GoesOn);
    assert_eq!((&gone.best.tokens[..], gone.best.reward), (&[1, 3, 2][..], Some(5.0)));
    assert_eq!(gone.strategy, "saffron (paper, width 1, past dead ends)");
    // On the way it is ranked by the reward that it had.
    let levels = searched_levels(&mut policy, rewards());
    assert_eq!(levels[2][0], (vec![1, 3], Some(2.0)));
}

/// Sequences with their scores, level by level, of a beam of two that goes past dead ends.
fn searched_levels(policy: &mut TablePolicy, mut rewards: ScriptedReward) -> Vec<Vec<(Vec<Token>, Option<f32>)>> {
    let session = policy.session(&[1, 2]).unwrap();
    let options = SaffronOptions { dead_end: DeadEnd::GoesOn, ..SaffronOptions::default() };
    let mut levels = Levels::default();
    let searcher = saffron(2, options, 3).top_p(0.9);
    searcher.run_observed(&session, policy, &mut rewards, &mut levels).unwrap();
    levels.0.iter().map(|level| level.beam.iter().map(|entry| (entry.tokens.clone(), entry.reward)).collect()).collect()
}

#[test]
fn a_dead_end_at_the_beginning_counts_as_nothing() {
    let mut policy = TablePolicy::new(vec![-9.0, -9.0, -9.0, 9.0], vec![0]);
    let mut rewards = ScriptedReward::new(1.0).with_unseen(set(&[3]));
    let options = SaffronOptions { dead_end: DeadEnd::GoesOn, ..SaffronOptions::default() };
    let outcome = run(&saffron(2, options, 2).top_p(0.9), &mut policy, &mut rewards);
    assert_eq!((&outcome.best.tokens[..], outcome.best.reward), (&[3, 3][..], Some(0.0)));
}

#[test]
fn options_that_a_file_does_not_name_are_those_of_the_preset() {
    let read = |text: &str| serde_json::from_str::<StrategyConfig>(text);
    let options = |text: &str| match read(text).unwrap() {
        StrategyConfig::Saffron { preset, options } => (preset, options),
        other => panic!("another strategy: {other:?}"),
    };
    let fluent = SaffronOptions::of(Preset::Fluent);
    assert_eq!((fluent.prior, fluent.ceiling, fluent.dead_end), (0.2, Some(3.0), DeadEnd::GoesOn));
    assert_eq!(options(r#"{"kind": "saffron"}"#), (Preset::Fluent, fluent));
    let text = r#"{"kind": "saffron", "options": {"prior": 0.5}}"#;
    assert_eq!(options(text), (Preset::Fluent, SaffronOptions { prior: 0.5, ..fluent }));
    let text = r#"{"kind": "saffron", "options": {"ceiling": "none", "dead_end": "ends"}}"#;
    let bare = SaffronOptions { ceiling: None, dead_end: DeadEnd::Ends, ..fluent };
    assert_eq!(options(text), (Preset::Fluent, bare));
    let text = r#"{"kind": "saffron", "preset": "paper", "options": {"ceiling": 2}}"#;
    let clipped = SaffronOptions { ceiling: Some(2.0), ..SaffronOptions::default() };
    assert_eq!(options(text), (Preset::Paper, clipped));
    for (text, expected) in [
        (r#"{"kind": "saffron", "preset": "papr"}"#, "preset: unknown variant `papr`"),
        (r#"{"kind": "saffron", "options": {"priro": 1}}"#, "options: unknown field `priro`"),
        (
            r#"{"kind": "saffron", "options": {"ceiling": "high"}}"#,
            "options.ceiling: invalid value: string \"high\", expected a number, or \"none\"",
        ),
    ] {
        let found = read(text).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_search_as_data_is_written_whole_and_read_again() {
    for preset in Preset::ALL {
        for options in [SaffronOptions::of(preset), SaffronOptions::default()] {
            let config = StrategyConfig::Saffron { preset, options };
            let written = serde_json::to_value(&config).unwrap();
            assert_eq!(serde_json::from_value::<StrategyConfig>(written).unwrap(), config);
        }
    }
    let paper = StrategyConfig::Saffron { preset: Preset::Paper, options: SaffronOptions::default() };
    let expected = serde_json::json!({
        "kind": "saffron",
        "preset": "paper",
        "options": {"score": "last", "prior": 0.0, "dead_end": "ends", "adaptive": null},
    });
    assert_eq!(serde_json::to_value(&paper).unwrap(), expected);
}

#[test]
fn the_default_preset_is_the_papers_search_with_the_candidates_and_options_that_were_chosen() {
    let session = uniform().session(&[1, 2]).unwrap();
    let filter = Searcher::new(Saffron::new(3)).settings().filter.clone();
    assert_eq!((filter.top_p, filter.top_k, filter.no_repeat_ngram, filter.min_new_tokens), (0.9, Some(8), 3, 16));
    let paper = Searcher::new(Saffron::paper(3)).settings().filter.clone();
    let chosen = CandidateFilter { top_p: 0.9, top_k: Some(8), no_repeat_ngram: 3, min_new_tokens: 16, ..paper };
    assert_eq!(filter, chosen);
    let by_name = Searcher::new(Saffron::new(3)).max_new_tokens(4);
    let options = SaffronOptions { prior: 0.2, ceiling: Some(3.0), dead_end: DeadEnd::GoesOn, ..Default::default() };
    let by_hand = Searcher::new(Saffron::paper(3).with_options(options)).filter(filter).max_new_tokens(4);
    let run = |searcher: &Searcher| searcher.run(&session, &mut uniform(), &mut scattered(4, &[2])).unwrap();
    let (named, made) = (run(&by_name), run(&by_hand));
    assert_eq!((named.best, named.beam, named.usage.policy.calls), (made.best, made.beam, made.usage.policy.calls));
    assert_eq!(named.strategy, "saffron (fluent, width 3, prior 0.2, rewards up to 3, past dead ends)");
}

#[test]
fn a_configuration_can_take_a_limit_of_candidates_away() {
    use saffron_search::strategy::FilterConfig;
    let filter = |text: &str| {
        let changes: FilterConfig = serde_json::from_str(text).unwrap();
        changes.over(Searcher::new(Saffron::new(2)).settings().filter.clone()).top_k
    };
    assert_eq!([filter("{}"), filter(r#"{"top_k": 0}"#), filter(r#"{"top_k": 3}"#)], [Some(8), None, Some(3)]);
}
