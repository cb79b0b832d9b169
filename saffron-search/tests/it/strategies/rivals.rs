//! Other defences over the same traits: where they must agree with a search without them, and what
//! they deliver.

use std::sync::Arc;

use saffron_core::testing::{Counting, ScriptedReward, TablePolicy};
use saffron_core::{
    Budget, ConfigError, NoReward, Outcome, PrmScorer, Role, SearchErrorKind, SearchStrategy, Session, StopReason,
    Thresholds, Token,
};
use saffron_search::strategy::StrategyConfig;
use saffron_search::strategy::answer_filter::AnswerFilterOptions;
use saffron_search::strategy::header_probe::HeaderProbeOptions;
use saffron_search::strategy::risk_stop::RiskStopOptions;
use saffron_search::strategy::rollback::{Introspection, RollbackOptions};
use saffron_search::strategy::value_filter::ValueFilterOptions;
use saffron_search::{
    AnswerFilter, BestOfN, Deal, Greedy, HeaderProbe, Mcts, Preset, Reaction, RiskStop, Rollback, Rules, Saffron,
    Sampling, Searcher, StepBeam, ValueFilter,
};

use super::{probed, reminded, risk_stop, rollback, run, saffron, searcher};
use crate::traces::Levels;
use crate::worlds::{Numbers, scatter, scattered, session, set, uniform, written};

const NEVER: f32 = f32::NEG_INFINITY;

/// Token 0 ends; the others differ, so that draws tell.
fn skewed() -> TablePolicy {
    TablePolicy::new(vec![-1.0, 0.5, 0.0, 0.3], vec![0])
}

/// One of the world's answers of up to five tokens.
fn found(strategy: impl SearchStrategy + 'static, seed: u64) -> Outcome {
    run(&searcher(Box::new(strategy), 5).seed(seed), &mut skewed(), &mut scattered(5, &[]))
}

fn filter(tries: usize, threshold: f32) -> AnswerFilter {
    AnswerFilter::new(tries).with_options(AnswerFilterOptions { threshold, ..AnswerFilterOptions::default() })
}

fn value_filter(threshold: f32, draw: bool) -> ValueFilter {
    ValueFilter::new(ValueFilterOptions { threshold, draw })
}

/// What makes two outcomes the same but for the strategy's name.
fn core(outcome: &Outcome) -> (Vec<Token>, Vec<Vec<Token>>, StopReason, saffron_core::Usage) {
    let beam = outcome.beam.iter().map(|found| found.tokens.clone()).collect();
    let mut usage = outcome.usage;
    usage.policy.wall = std::time::Duration::ZERO;
    usage.reward.wall = std::time::Duration::ZERO;
    (outcome.best.tokens.clone(), beam, outcome.stop, usage)
}

#[test]
fn a_value_filter_without_a_threshold_is_greedy_or_a_sample() {
    for unseen in [&[][..], &[0, 2], &[0, 1, 2, 3]] {
        for seed in 0..20 {
            let of = |strategy: Box<dyn SearchStrategy>| {
                run(&searcher(strategy, 5).seed(seed), &mut skewed(), &mut scattered(5, unseen)).best.tokens
            };
            assert_eq!(of(Box::new(value_filter(NEVER, false))), of(Box::new(Greedy)));
            assert_eq!(of(Box::new(value_filter(NEVER, true))), of(Box::<Sampling>::default()));
        }
    }
}

#[test]
fn a_value_filter_takes_the_policys_favourite_among_what_is_safe_enough() {
    for threshold in [-3.0, -1.0, 0.0, 1.0, 3.0] {
        let tokens = found(value_filter(threshold, false), 0).best.tokens;
        // The policy's order is 1, 3, 2, 0.
        for place in 0..tokens.len() {
            let reward = |token: Token| scatter(&[&tokens[..place], &[token]].concat());
            let best =
                [1, 3, 2, 0].into_iter().fold(1, |best, next| if reward(next) > reward(best) { next } else { best });
            let first = [1, 3, 2, 0].into_iter().find(|token| reward(*token) >= threshold).unwrap_or(best);
            assert_eq!(tokens[place], first, "{threshold} at {place} of {tokens:?}");
        }
    }
}

#[test]
fn a_rollback_that_nothing_alarms_is_a_sample() {
    for seed in 0..40 {
        let sample = found(Sampling::default(), seed).best;
        for (every, back) in [(1, 1), (2, 2), (3, 1), (1, 3), (9, 9)] {
            let options = RollbackOptions { threshold: NEVER, every, back, ..RollbackOptions::default() };
            let outcome = found(Rollback::new(0).with_options(options), seed);
            assert_eq!((&outcome.best.tokens, outcome.best.stop), (&sample.tokens, sample.stop), "{every} {back}");
            assert_eq!((outcome.best.logprob, outcome.replacement), (sample.logprob, None));
        }
    }
}

#[test]
fn a_header_probe_that_finds_no_refusal_is_a_sample() {
    for seed in 0..40 {
        let sample = found(Sampling::default(), seed).best;
        for every in [1, 2, 7] {
            let outcome = found(HeaderProbe::new(probed(every, "never said")), seed);
            assert_eq!((&outcome.best.tokens, outcome.best.stop), (&sample.tokens, sample.stop));
            assert_eq!((outcome.best.logprob, outcome.replacement), (sample.logprob, None));
        }
    }
}

#[test]
fn a_risk_stop_that_nothing_is_above_is_the_search_without_it() {
    let searches: [fn() -> Box<dyn SearchStrategy>; 6] = [
        || Box::new(Saffron::paper(3)),
        || Box::new(Saffron::reference(2)),
        || Box::new(BestOfN::new(3)),
        || Box::new(StepBeam::new(4, 2)),
        || Box::new(Deal::new(2, 1, 1.0)),
        || Box::new(Mcts::puct(5)),
    ];
    for (search, seed) in searches.iter().flat_map(|search| (0..5).map(move |seed| (search, seed))) {
        for mut reward in [scattered(5, &[]), scattered(5, &[0, 2]), ScriptedReward::new(NEVER)] {
            let alone = run(&searcher(search(), 5).seed(seed), &mut skewed(), &mut reward);
            let watched = run(&searcher(Box::new(risk_stop(search(), 1.0)), 5).seed(seed), &mut skewed(), &mut reward);
            assert_eq!(core(&watched), core(&alone), "{}", alone.strategy);
            assert_eq!(watched.replacement, None);
        }
    }
}

#[test]
fn a_reminder_of_nothing_but_blanks_is_refused_and_one_that_changes_no_row_changes_nothing() {
    // The table knows responses and no prompts: whatever the policy reads, it says the same.
    for seed in 0..5 {
        let alone = run(&searcher(Box::new(Sampling::default()), 5).seed(seed), &mut written(), &mut NoReward);
        let strategy = reminded(Box::new(Sampling::default()), "3 3", "1");
        let outcome = run(&searcher(Box::new(strategy), 5).seed(seed), &mut written(), &mut NoReward);
        assert_eq!(outcome.best.tokens, alone.best.tokens, "draws belong to the question without the reminder");
    }
}

#[test]
fn a_filter_of_one_try_is_a_sample_under_rules_that_refuse() {
    let mut refused = 0;
    for seed in 0..40 {
        let filtered = found(filter(1, 0.5), seed);
        let refusal = Reaction::Refuse(String::from("I can't help with that."));
        let rules = Rules::new(Thresholds::new(0.5, 0.5).unwrap()).on_unsafe(refusal);
        let searcher = searcher(Box::<Sampling>::default(), 5).seed(seed).ruled_by(rules);
        let ruled = run(&searcher, &mut skewed(), &mut scattered(5, &[]));
        assert_eq!((&filtered.best.tokens, &filtered.replacement), (&ruled.best.tokens, &ruled.replacement));
        assert_eq!(filtered.usage.attributed_flops(), ruled.usage.attributed_flops());
        refused += usize::from(filtered.replacement.is_some());
    }
    assert!((5..35).contains(&refused), "{refused} of 40");
}

#[test]
fn what_a_filter_delivers_is_never_unsafe_by_its_own_guard() {
    let (mut refused, mut retried) = (0, 0);
    for (tries, threshold) in [(1, 0.0), (3, 0.0), (3, 3.5), (8, 2.0)] {
        for seed in 0..40 {
            let outcome = found(filter(tries, threshold), seed);
            match &outcome.replacement {
                None => {
                    assert!(scatter(&outcome.best.tokens) >= threshold, "{outcome:?}");
                    let samples = found(BestOfN::new(tries), seed).beam;
                    let safe = |tokens: &[Token]| scatter(tokens) >= threshold;
                    let first = samples.iter().find(|sample| safe(&sample.tokens));
                    assert_eq!(
                        first.map(|sample| &sample.tokens),
                        Some(&outcome.best.tokens),
                        "the first that is safe"
                    );
                    retried += usize::from(outcome.usage.reward.calls > 1);
                }
                Some(text) => {
                    assert_eq!((&text[..], outcome.stop), ("I can't help with that.", StopReason::Strategy));
                    assert_eq!(outcome.usage.reward.calls, tries as u64);
                    assert!(outcome.best.reward.is_some_and(|reward| reward < threshold), "{outcome:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 20 && retried > 20, "{refused} {retried}");
}

#[test]
fn a_filter_shows_nothing_that_it_has_not_judged() {
    for calls in 0..5 {
        let budget = Budget { max_policy_calls: Some(calls), ..Budget::default() };
        let searcher = searcher(Box::new(filter(1, NEVER)), 5).budget(budget);
        let mut policy = TablePolicy::new(vec![NEVER, 0.5, 0.0, 0.3], vec![0]);
        let outcome = run(&searcher, &mut policy, &mut scattered(5, &[]));
        assert!(outcome.replacement.is_some() && matches!(outcome.stop, StopReason::Budget(_)), "{calls}");
    }
    // What the reward model has not seen it has not judged.
    let mut unseen = scattered(5, &[1, 2, 3]);
    let mut policy = TablePolicy::new(vec![NEVER, 0.5, 0.0, 0.3], vec![0]);
    assert!(run(&searcher(Box::new(filter(2, -9.0)), 5), &mut policy, &mut unseen).replacement.is_some());
}

/// A policy that says 1 1 1 …, surely.
fn ones() -> TablePolicy {
    TablePolicy::new(vec![NEVER, 0.0, NEVER, NEVER], vec![0])
}

#[test]
fn an_alarm_takes_tokens_back_and_the_next_one_too_many_refuses() {
    // Every check is an alarm: the same tokens are drawn again and again.
    let mut reward = PrmScorer(ScriptedReward::new(-1.0));
    for (alarms, calls) in [(0, 2), (1, 4), (3, 8)] {
        let mut levels = Levels::default();
        let mut policy = ones();
        let session = session(&policy);
        let searcher = searcher(Box::new(rollback(alarms, 2, 2)), 6);
        let outcome = searcher.run_observed(&session, &mut policy, &mut reward, &mut levels).unwrap();
        assert_eq!((outcome.usage.policy.calls, outcome.usage.reward.calls), (calls, alarms as u64 + 1));
        assert_eq!((outcome.best.tokens.len(), outcome.stop), (0, StopReason::Strategy));
        assert_eq!(outcome.replacement.as_deref(), Some("I can't help with that."));
        assert!(levels.0.iter().all(|level| level.beam[0].tokens.is_empty()), "nothing was released");
    }
}

#[test]
fn a_rollback_delivers_only_what_its_monitor_let_pass() {
    for seed in 0..40 {
        for (every, back) in [(1, 1), (2, 2), (2, 1), (1, 2)] {
            let mut levels = Levels::default();
            let mut policy = skewed();
            let session = session(&policy);
            let options = RollbackOptions { every, back, ..RollbackOptions::default() };
            let strategy = Rollback::new(30).with_options(options);
            let searcher = searcher(Box::new(strategy), 5).seed(seed);
            let outcome = searcher.run_observed(&session, &mut policy, &mut scattered(5, &[]), &mut levels).unwrap();
            // What has been released stays, whatever comes later.
            let released: Vec<&Vec<Token>> = levels.0.iter().map(|level| &level.beam[0].tokens).collect();
            assert!(released.windows(2).all(|pair| pair[1].starts_with(pair[0])), "{released:?}");
            if outcome.replacement.is_none() {
                assert!(scatter(&outcome.best.tokens) >= 0.0, "{outcome:?}");
                if back <= every {
                    let checked = (1..=outcome.best.tokens.len()).filter(|depth| depth % every == 0);
                    let mut prefixes = checked.map(|depth| scatter(&outcome.best.tokens[..depth]));
                    assert!(back < every || prefixes.all(|reward| reward >= 0.0), "{:?}", outcome.best.tokens);
                }
            }
        }
    }
}

#[test]
fn an_introspection_is_read_by_the_policy_and_is_no_part_of_the_answer() {
    // The policy says 1 1 …; behind the hidden 3 it answers 2 to it, and behind 3 2 it goes on with 2s.
    let policy = || {
        let policy = TablePolicy::new(sure(1), vec![0]).with_vocabulary(Arc::new(Numbers(4)));
        let policy = policy.with_row(vec![3], sure(2)).with_row(vec![3, 2], sure(2));
        policy.with_row(vec![3, 2, 2], sure(2)).with_row(vec![3, 2, 2, 2], sure(0))
    };
    let introspection = Some(Introspection { text: String::from("3"), tokens: 1 });
    let options = RollbackOptions { every: 2, back: 2, introspection, ..RollbackOptions::default() };
    let searcher = searcher(Box::new(Rollback::new(1).with_options(options)), 4);
    let mut reward = PrmScorer(ScriptedReward::new(1.0).with(vec![1, 1], -1.0));
    let outcome = run(&searcher, &mut policy(), &mut reward);
    assert_eq!((&outcome.best.tokens[..], outcome.replacement), (&[2, 2, 0][..], None));
    // A vocabulary that knows no text cannot be given any; that shows before anything is asked.
    let mut blind = Counting::new(uniform());
    let session = session(&blind.inner);
    let error = searcher.run(&session, &mut blind, &mut reward).unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Config(ConfigError::NoEncoding { what: "introspection.text" })));
    assert_eq!(blind.calls, 0);
}

/// Logits of one possible token.
fn sure(token: usize) -> Vec<f32> {
    (0..4).map(|other| if other == token { 9.0 } else { NEVER }).collect()
}

/// A policy that says 1 1 …, and behind the header 1 says 2 3 2 and ends, once it has said two tokens.
fn repentant() -> TablePolicy {
    let rows = [(vec![1, 1, 1], 2), (vec![1, 1, 1, 2], 3), (vec![1, 1, 1, 2, 3], 2), (vec![1, 1, 1, 2, 3, 2], 0)];
    rows.into_iter().fold(ones(), |policy, (response, token)| policy.with_row(response, sure(token)))
}

#[test]
fn a_refusal_behind_the_header_stands_in_the_answers_place_whole() {
    let searcher = searcher(Box::new(HeaderProbe::new(probed(2, "2 3"))), 6);
    let outcome = run(&searcher, &mut repentant(), &mut NoReward);
    assert_eq!(outcome.replacement.as_deref(), Some("2 3 2"), "to its end");
    assert_eq!((&outcome.best.tokens[..], outcome.stop), (&[1, 1][..], StopReason::Strategy));
    assert_eq!(outcome.usage.reward.calls, 0);
}

#[test]
fn a_forced_beginning_is_probed_before_the_first_token() {
    let mut policy = TablePolicy::new(sure(3), vec![0]).with_row(vec![1], sure(2)).with_row(vec![1, 2], sure(3));
    let searcher = searcher(Box::new(HeaderProbe::new(probed(4, "2 3"))), 4);
    let free = session(&policy);
    assert_eq!(searcher.run(&free, &mut policy, &mut NoReward).unwrap().replacement, None);
    let forced = free.with_prefill(vec![1]).unwrap();
    let outcome = searcher.run(&forced, &mut policy, &mut NoReward).unwrap();
    assert_eq!(outcome.replacement.as_deref(), Some("2 3 3 3"), "to the longest response");
    assert_eq!((outcome.best.tokens.len(), outcome.usage.policy.calls), (0, 4));
}

#[test]
fn a_header_is_the_policys_own_unless_it_is_set() {
    let options = HeaderProbeOptions { header: None, ..probed(2, "2 3") };
    let searcher = searcher(Box::new(HeaderProbe::new(options)), 6);
    let (mut policy, session) = (repentant(), session(&repentant()));
    let error = searcher.run(&session, &mut policy, &mut NoReward).unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Config(ConfigError::NoReplyHeader)), "{error}");
    let mut policy = policy.with_reply_header(vec![1]);
    assert!(searcher.run(&session, &mut policy, &mut NoReward).unwrap().replacement.is_some());
    let many = searcher.run_many(&[session.clone(), session], &mut policy, &mut NoReward).unwrap();
    assert!(many.into_iter().all(|outcome| outcome.unwrap().replacement.is_some()), "gathered, too");
}

#[test]
fn a_risk_stop_ends_a_search_once_all_sequences_are_too_risky() {
    // Two tokens a step, one safe and one unsafe: r = σ(0) ½ + … by hand: rewards 0 and −∞ give ½ · ½ + ½ · 1 = ¾.
    let mut policy = TablePolicy::new(vec![NEVER, 0.0, 0.0], vec![0]);
    let reward = || {
        PrmScorer(saffron_core::process_reward_fn(|session| match session.response().last() {
            Some(1) => 0.0,
            _ => NEVER,
        }))
    };
    // With ρ = ½: 0.375, 0.5625, 0.65625, …
    let mut calls = |bound| {
        let options = RiskStopOptions { bound, smoothing: 0.5, ..RiskStopOptions::default() };
        let strategy = RiskStop::new(Box::new(Saffron::paper(1))).with_options(options);
        let searcher = searcher(Box::new(strategy), 6);
        let outcome = run(&searcher, &mut policy, &mut reward());
        (outcome.usage.policy.calls, outcome.replacement.is_some())
    };
    assert_eq!([calls(0.374), calls(0.376)], [(1, true), (2, true)]);
    assert_eq!([calls(0.562), calls(0.563), calls(0.75)], [(2, true), (3, true), (6, false)]);
}

#[test]
fn one_sequence_that_is_safe_enough_keeps_a_search_going() {
    // Behind 1 all is well, behind 2 nothing is.
    let mut policy = TablePolicy::new(vec![NEVER, 0.0, 0.0], vec![0]);
    let reward = |bad: Token| {
        PrmScorer(saffron_core::process_reward_fn(move |session| {
            if session.response().first().is_some_and(|first| bad == 0 || *first == bad) { -9.0 } else { 9.0 }
        }))
    };
    let mut replaced = |bad| {
        let strategy = risk_stop(Box::new(Saffron::paper(8)), 0.5);
        run(&searcher(Box::new(strategy), 6), &mut policy, &mut reward(bad)).replacement.is_some()
    };
    assert_eq!([replaced(2), replaced(0)], [false, true]);
}

#[test]
fn tokens_that_the_reward_model_has_not_seen_are_risky() {
    let mut reward = ScriptedReward::new(9.0).with_unseen(set(&[2, 3]));
    let mut policy = TablePolicy::new(vec![NEVER, 0.0, 3.0, 3.0], vec![0]);
    let strategy = risk_stop(Box::new(Saffron::paper(1)), 0.5);
    assert!(run(&searcher(Box::new(strategy), 8), &mut policy, &mut reward).replacement.is_some());
}

#[test]
fn a_reminder_reaches_the_policy_and_nobody_else() {
    let policy = written();
    let vocabulary = saffron_core::Policy::vocabulary(&policy);
    let session = Session::of_text(vocabulary, "1 2", vec![1, 2]).unwrap().with_prefill(vec![3]).unwrap();
    let asked = |search: Box<dyn SearchStrategy>, session: &Session| {
        let (mut policy, mut reward) = (written(), ScriptedReward::new(0.0));
        let mut direct = saffron_core::DirectPort::new(&mut policy, &mut reward);
        let mut port = saffron_search::trace::recording::RecordingPort::new(&mut direct);
        searcher(search, 2).run_port(session, &mut port, &mut ()).unwrap();
        let recording = port.finish();
        let mut asked: Vec<(Role, Vec<Token>, Vec<Token>)> = Vec::new();
        for call in &recording.calls {
            let prompt = &recording.prompts[call.sessions[0].prompt];
            let found = (call.request.role(), prompt.prompt.clone(), prompt.prefill.clone());
            if !asked.contains(&found) {
                asked.push(found);
            }
        }
        asked
    };
    let expected = [(Role::Policy, vec![3, 1, 2, 2], vec![3]), (Role::Reward, vec![1, 2], vec![3])];
    let beam = || Box::new(Saffron::paper(2));
    assert_eq!(asked(Box::new(reminded(beam(), "3 ", " 2")), &session), expected);
    let of_ids = session.with_prompt(vec![1, 2], None::<&str>).unwrap();
    assert_eq!(asked(Box::new(reminded(beam(), "3", "2")), &of_ids), expected);
}

#[test]
fn rivals_refuse_settings_out_of_range() {
    let refusal = || String::from("  ");
    let rolled = |options: RollbackOptions| Box::new(Rollback::new(1).with_options(options));
    let watched = |options: RiskStopOptions| Box::new(RiskStop::new(Box::new(Greedy)).with_options(options));
    let cases: Vec<(Box<dyn SearchStrategy>, &str)> = vec![
        (Box::new(AnswerFilter::new(0)), "tries must be at least 1, found 0"),
        (Box::new(filter(1, f32::NAN)), "threshold must lie in [−∞, ∞], found NaN"),
        (
            Box::new(AnswerFilter::new(1).with_options(AnswerFilterOptions { threshold: 0.0, refusal: refusal() })),
            "refusal must not be blank",
        ),
        (Box::new(value_filter(f32::NAN, false)), "threshold must lie in [−∞, ∞], found NaN"),
        (rolled(RollbackOptions { every: 0, ..RollbackOptions::default() }), "every must be at least 1, found 0"),
        (rolled(RollbackOptions { back: 0, ..RollbackOptions::default() }), "back must be at least 1, found 0"),
        (Box::new(HeaderProbe::new(probed(0, "no"))), "every must be at least 1, found 0"),
        (Box::new(HeaderProbe::new(probed(1, " "))), "phrases must not be blank"),
        (watched(RiskStopOptions { bound: 1.5, ..RiskStopOptions::default() }), "bound must lie in [0, 1], found 1.5"),
        (
            watched(RiskStopOptions { smoothing: f32::NAN, ..RiskStopOptions::default() }),
            "smoothing must lie in [0, 1], found NaN",
        ),
        (
            watched(RiskStopOptions { scale: 0.0, ..RiskStopOptions::default() }),
            "scale must be finite and above 0, found 0",
        ),
        (Box::new(risk_stop(Box::new(Saffron::paper(0)), 0.5)), "width must be at least 1, found 0"),
        (Box::new(reminded(Box::new(Greedy), " ", "\n")), "the reminder must not be blank"),
        (Box::new(reminded(Box::new(BestOfN::new(0)), "1", "")), "samples must be at least 1, found 0"),
    ];
    for (strategy, expected) in cases {
        let name = strategy.describe();
        let (mut policy, session) = (Counting::new(uniform()), session(&uniform()));
        let error = searcher(strategy, 2).run(&session, &mut policy, &mut ScriptedReward::new(0.0)).unwrap_err();
        assert!(matches!(error.kind(), SearchErrorKind::Config(_)), "{name}: {error}");
        assert_eq!((error.to_string(), policy.calls), (expected.to_owned(), 0), "{name}");
    }
}

#[test]
fn rivals_are_written_in_files_and_read_again() {
    let texts = [
        r#"{"kind": "answer-filter", "threshold": "-inf", "refusal": "No."}"#,
        r#"{"kind": "rollback", "every": 4, "back": 6, "introspection": {"text": "Wait.", "tokens": 8}}"#,
        r#"{"kind": "header-probe", "every": 8, "header": [1, 2], "phrases": ["no"]}"#,
        r#"{"kind": "value-filter", "threshold": 1.5, "draw": true}"#,
        r#"{"kind": "self-reminder", "search": {"kind": "best-of-n"}, "before": "Be good. "}"#,
        r#"{"kind": "risk-stop", "search": {"kind": "saffron", "preset": "paper"}, "bound": 0.5}"#,
        r#"{"kind": "self-reminder", "search": {"kind": "risk-stop"}}"#,
    ];
    for text in texts {
        let config: StrategyConfig = serde_json::from_str(text).unwrap();
        let again = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<StrategyConfig>(&again).unwrap(), config, "{again}");
        config.build(2).check().unwrap();
    }
    let read = |text: &str| serde_json::from_str::<StrategyConfig>(text);
    let inner = read(r#"{"kind": "self-reminder", "search": {"kind": "best-of-n", "n": 3}}"#).unwrap_err();
    assert_eq!(inner.to_string(), "search: unknown field `n`, there are no fields");
    let budgets = texts.map(|text| read(text).unwrap().budget());
    assert_eq!(budgets, [Some("tries"), Some("alarms"), None, None, Some("samples"), Some("width"), Some("width")]);
    let saffron = StrategyConfig::RiskStop {
        search: Box::new(read(r#"{"kind": "saffron"}"#).unwrap()),
        bound: 0.535,
        smoothing: 0.8,
        scale: 0.8,
        refusal: String::from("I can't help with that."),
    };
    assert_eq!(read(r#"{"kind": "risk-stop"}"#).unwrap(), saffron);
}

#[test]
fn a_wrapped_search_keeps_its_own_candidates_and_length() {
    let own = Searcher::new(Saffron::paper(2)).settings().clone();
    let watched = Searcher::new(risk_stop(Box::new(Saffron::paper(2)), 0.5)).settings().clone();
    let told = Searcher::new(reminded(Box::new(Saffron::paper(2)), "1", "2")).settings().clone();
    assert_eq!([&watched, &told], [&own, &own]);
    // A stopped search tells of what it had.
    let outcome = run(&saffron(Preset::Paper, 2, 4), &mut uniform(), &mut ScriptedReward::new(-9.0));
    let strategy = risk_stop(Box::new(Saffron::paper(2)), 0.1);
    let stopped = run(&searcher(Box::new(strategy), 4), &mut uniform(), &mut ScriptedReward::new(-9.0));
    assert!(outcome.best.tokens.starts_with(&stopped.best.tokens[..1]), "{stopped:?}");
}
