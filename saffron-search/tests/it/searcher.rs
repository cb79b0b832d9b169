//! The loop: budgets, observers, failures, stalls, repetition.

use std::ops::ControlFlow;
use std::sync::Arc;

use saffron_core::testing::{ScriptedReward, TablePolicy, conformance};
use saffron_core::{
    Budget, CandidateFilter, Candidates, ConfigError, ContextSettings, Level, Limit, ModelError, NoReward, Policy,
    Reply, Role, SearchContext, SearchError, SearchErrorKind, SearchObserver, SearchStrategy, Session, Step,
    StopReason, Token, Vocabulary, with_causes,
};
use saffron_search::{Greedy, Saffron, Searcher};

use crate::worlds::{scattered, session, uniform};

fn searcher() -> Searcher {
    Searcher::new(Saffron::paper(3)).top_p(1.0).min_new_tokens(0).max_new_tokens(4)
}

#[test]
fn a_response_says_nothing_twice_but_may_say_what_was_forced() {
    let mut policy = TablePolicy::new(vec![0.0, 3.0, 2.0, 1.0], vec![0]);
    let forced = policy.session(&[2]).unwrap().with_prefill(vec![1, 1]).unwrap();
    let greedy = |n| Searcher::new(Greedy).max_new_tokens(5).min_new_tokens(5).no_repeat_ngram(n);
    let mut say = |n: usize| greedy(n).run(&forced, &mut policy, &mut NoReward).unwrap().best.tokens;
    assert_eq!(say(0), [1, 1, 1, 1, 1]);
    assert_eq!(say(2), [1, 1, 2, 1, 3]);
    assert_eq!(say(3), [1, 1, 1, 2, 1]);
}

#[test]
fn settings_that_cannot_be_run_with_are_refused_before_any_call() {
    let cases = [
        (Searcher::new(Saffron::paper(0)), ConfigError::Zero { what: "width" }),
        (Searcher::new(Saffron::reference(0)), ConfigError::Zero { what: "width" }),
        (searcher().top_p(0.0), ConfigError::TopP { found: 0.0 }),
        (searcher().top_p(1.01), ConfigError::TopP { found: 1.01 }),
        (searcher().min_p(1.5), ConfigError::MinP { found: 1.5 }),
        (searcher().top_k(0), ConfigError::Zero { what: "top_k" }),
        (searcher().max_new_tokens(0), ConfigError::Zero { what: "max_new_tokens" }),
        (
            Searcher::new(Saffron::reference(1).with_unseen_penalty(f32::INFINITY)),
            ConfigError::NotFinite { what: "unseen_penalty", found: f32::INFINITY },
        ),
    ];
    for (searcher, expected) in cases {
        let mut policy = uniform();
        let session = session(&policy);
        let error = searcher.run(&session, &mut policy, &mut ScriptedReward::new(0.0)).unwrap_err();
        let SearchErrorKind::Config(found) = error.kind() else { panic!("{error}") };
        assert_eq!(*found, expected);
        assert!(error.partial().is_none());
    }
}

#[test]
fn a_spent_budget_gives_the_best_so_far_and_its_reason() {
    let budget = Budget { max_policy_calls: Some(2), ..Budget::default() };
    let mut policy = uniform();
    let session = session(&policy);
    let outcome = searcher().budget(budget).run(&session, &mut policy, &mut scattered(4, &[0])).unwrap();
    assert_eq!(outcome.stop, StopReason::Budget(Limit::PolicyCalls));
    assert_eq!((outcome.usage.policy.calls, outcome.best.tokens.len()), (2, 2));
}

/// A policy that fails at its third call.
struct Failing(TablePolicy, usize);

impl Policy for Failing {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.0.vocabulary()
    }

    fn end_tokens(&self) -> Vec<Token> {
        self.0.end_tokens()
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.1 += 1;
        if self.1 == 3 {
            return Err(ModelError::other("asking a server", "connection reset"));
        }
        self.0.propose(sessions, filter)
    }
}

#[test]
fn a_failure_half_way_carries_the_best_so_far() {
    let mut policy = Failing(uniform(), 0);
    let session = session(&policy.0);
    let error = searcher().run(&session, &mut policy, &mut scattered(4, &[0])).unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Model { role: Role::Policy, .. }), "{error}");
    assert!(with_causes(&error).contains("connection reset"), "{error:?}");
    let partial = error.partial().unwrap();
    assert_eq!((partial.best.tokens.len(), partial.usage.policy.calls), (2, 2));
}

struct StopAt(usize);

impl SearchObserver for StopAt {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        if level.index == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn an_observer_may_end_a_search() {
    let mut policy = uniform();
    let session = session(&policy);
    let mut observer = (StopAt(2), Some(StopAt(9)));
    let outcome = searcher().run_observed(&session, &mut policy, &mut scattered(4, &[0]), &mut observer).unwrap();
    assert_eq!((outcome.stop, outcome.best.tokens.len()), (StopReason::Observer, 2));
}

/// Asks and asks and never decides.
struct Idle;

impl SearchStrategy for Idle {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self)
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let open = cx.open();
        cx.propose(&open)?;
        Ok(Step::Continue)
    }
}

#[test]
fn a_step_that_changes_nothing_is_an_error_not_a_loop() {
    let settings =
        ContextSettings { filter: CandidateFilter::default(), max_new_tokens: 4, budget: Budget::default(), seed: 0 };
    let mut policy = uniform();
    let session = session(&policy);
    let searcher = Searcher::with_settings(Box::new(Idle), settings);
    let error = searcher.run(&session, &mut policy, &mut ScriptedReward::new(0.0)).unwrap_err();
    assert!(matches!(error.kind(), SearchErrorKind::Stalled { step: 0, .. }), "{error}");
}

#[test]
fn the_same_inputs_give_the_same_outcome() {
    let run = |searcher: &Searcher| {
        let mut policy = uniform();
        let session = session(&policy);
        let mut outcome = searcher.run(&session, &mut policy, &mut scattered(4, &[3])).unwrap();
        outcome.usage.policy.wall = std::time::Duration::ZERO;
        outcome.usage.reward.wall = std::time::Duration::ZERO;
        outcome
    };
    let searcher = searcher();
    assert_eq!(run(&searcher), run(&searcher));
}

#[test]
fn our_strategies_keep_to_the_contract() {
    let strategies: [Box<dyn SearchStrategy>; 4] = [
        Box::new(Greedy),
        Box::new(Saffron::paper(3)),
        Box::new(Saffron::reference(3)),
        Box::new(Saffron::reference(1)),
    ];
    for strategy in strategies {
        let (mut policy, mut reward) = (uniform(), scattered(4, &[1]));
        let session = session(&policy);
        let settings = searcher().settings().clone();
        let mut port = conformance::port(&mut policy, &mut reward);
        conformance::strategy(&*strategy, &mut port, &session, &settings);
    }
}

#[test]
fn an_outcome_says_how_it_was_made() {
    let mut policy = uniform();
    let session = session(&policy);
    let outcome = searcher().run(&session, &mut policy, &mut scattered(4, &[])).unwrap();
    assert_eq!(outcome.strategy, "saffron (paper, width 3)");
    assert_eq!(outcome.reward, "scripted rewards");
    let text = serde_json::to_string(&outcome).unwrap();
    let mut read: saffron_core::Outcome = serde_json::from_str(&text).unwrap();
    (read.usage.policy.wall, read.usage.reward.wall) = (outcome.usage.policy.wall, outcome.usage.reward.wall);
    assert_eq!(read, outcome, "outcomes survive JSON");
}

#[test]
fn a_search_as_data_is_the_search_in_code() {
    use saffron_search::strategy::StrategyConfig;
    use saffron_search::{SearchConfig, StepBeam};
    let (session, reward) = (session(&uniform()), || scattered(5, &[]));
    let text = r#"{"strategy": {"kind": "step-beam"}, "size": 3, "filter": {"min_new_tokens": 2}, "max_new_tokens": 5, "seed": 7}"#;
    let config: SearchConfig = serde_json::from_str(text).unwrap();
    let made = Searcher::from_config(&config).unwrap();
    let by_hand = Searcher::new(StepBeam::new(3, 4)).min_new_tokens(2).max_new_tokens(5).seed(7);
    let run = |searcher: &Searcher| searcher.run(&session, &mut uniform(), &mut reward()).unwrap();
    let (a, b) = (run(&made), run(&by_hand));
    assert_eq!((a.best, a.beam, a.strategy), (b.best, b.beam, b.strategy));
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<SearchConfig>(&written).unwrap(), config);

    let refused = |kind: StrategyConfig, size: Option<usize>| {
        Searcher::from_config(&SearchConfig::new(kind, size)).unwrap_err().to_string()
    };
    let found = refused(StrategyConfig::BestOfN {}, None);
    assert!(found.contains("needs a size, its samples"), "{found}");
    assert!(refused(StrategyConfig::Greedy {}, Some(2)).contains("has no size, found 2"));
    assert!(refused(StrategyConfig::BestOfN {}, Some(0)).contains("at least 1"));
    assert!(serde_json::from_str::<SearchConfig>(r#"{"strategy": {"kind": "greedy"}, "seeds": 1}"#).is_err());
}
