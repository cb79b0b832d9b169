//! Strategies that decide by rewards do not run without a reward model.

use saffron_core::testing::{Counting, TablePolicy};
use saffron_core::{
    CandidateFilter, ConfigError, DirectPort, ModelError, NoReward, Policy, Reply, SearchContext, SearchError,
    SearchErrorKind, SearchStrategy, Session, Step, process_reward_fn, with_causes,
};
use saffron_search::strategy::StrategyConfig;
use saffron_search::trace::recording::RecordingPort;
use saffron_search::{BestOfN, Greedy, Sampling, Searcher};
use serde_json::json;

use crate::strategies::{all, searcher};
use crate::worlds::{session, uniform};

/// The strategy that an error says to need a reward model.
fn lacks_reward(error: &SearchError) -> &str {
    match error.kind() {
        SearchErrorKind::Config(ConfigError::NoRewardModel { strategy }) => strategy,
        other => panic!("{other}"),
    }
}

#[test]
fn a_strategy_that_decides_by_rewards_does_not_begin_without_a_reward_model() {
    for strategy in all() {
        let (name, needs) = (strategy.describe(), strategy.needs_rewards());
        let free = ["greedy", "sampling"].contains(&&name[..]) || name.starts_with("header probe");
        assert_eq!(needs, !free, "{name}");
        let (searcher, mut policy) = (searcher(strategy, 3), Counting::new(uniform()));
        let session = session(&uniform());
        let one = searcher.run(&session, &mut policy, &mut NoReward);
        let port = searcher.run_port(&session, &mut DirectPort::new(&mut policy, &mut NoReward), &mut ());
        let many = searcher.run_many(&[session.clone(), session.clone()], &mut policy, &mut NoReward);
        if needs {
            for error in [one.unwrap_err(), port.unwrap_err(), many.unwrap_err()] {
                assert_eq!(lacks_reward(&error), name);
                assert_eq!(error.to_string(), format!("{name} needs a reward model, found none"));
            }
            assert_eq!(policy.calls, 0, "{name}: nothing has run");
        } else {
            let tokens = one.unwrap().best.tokens;
            assert!(!tokens.is_empty(), "{name}");
            assert!(many.unwrap().into_iter().all(|outcome| outcome.unwrap().best.tokens == tokens), "{name}");
        }
    }
}

#[test]
fn a_recorded_search_is_refused_as_well() {
    let (mut policy, searcher) = (uniform(), searcher(Box::new(BestOfN::new(2)), 3));
    let session = session(&policy);
    let mut nothing = NoReward;
    let mut direct = DirectPort::new(&mut policy, &mut nothing);
    let error = searcher.run_port(&session, &mut RecordingPort::new(&mut direct), &mut ()).unwrap_err();
    assert_eq!(lacks_reward(&error), "best-of-n (n 2)");
}

#[test]
fn the_best_of_one_needs_no_reward_and_is_a_sample() {
    let (mut policy, session) = (uniform(), session(&uniform()));
    let run = |searcher: Searcher, policy: &mut TablePolicy| {
        searcher.max_new_tokens(5).seed(3).run(&session, policy, &mut NoReward).unwrap().best.tokens
    };
    let best = run(Searcher::new(BestOfN::new(1)), &mut policy);
    assert_eq!(best, run(Searcher::new(Sampling::default()), &mut policy));
}

#[test]
fn a_configuration_says_at_which_budgets_it_needs_a_reward_model() {
    let needs = |kind: &str, budget| {
        let config: StrategyConfig = serde_json::from_value(json!({ "kind": kind })).unwrap();
        config.needs_rewards(budget)
    };
    for kind in ["greedy", "sampling", "header-probe", "self-reminder"] {
        assert!(!needs(kind, 1), "{kind}");
    }
    let guided =
        ["step-beam", "dvts", "rebase", "particle-filter", "deal", "mcts", "args", "reward-sampling", "saffron"];
    let rivals = ["answer-filter", "rollback", "value-filter", "risk-stop"];
    for kind in guided.into_iter().chain(rivals) {
        assert!(needs(kind, 1), "{kind}");
    }
    assert_eq!((needs("best-of-n", 1), needs("best-of-n", 2)), (false, true));
}

/// A strategy of one's own, which has not said that it needs none.
struct Own;

impl SearchStrategy for Own {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self)
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        Greedy.step(cx)
    }
}

#[test]
fn a_strategy_of_ones_own_needs_rewards_unless_it_says_otherwise() {
    let searcher = Searcher::with_settings(Box::new(Own), Searcher::new(Greedy).settings().clone());
    let (mut policy, session) = (uniform(), session(&uniform()));
    let error = searcher.run(&session, &mut policy, &mut NoReward).unwrap_err();
    assert_eq!(lacks_reward(&error), "custom strategy");
}

/// A policy whose replies lack an entry of work.
struct Thrifty;

impl Policy for Thrifty {
    fn vocabulary(&self) -> std::sync::Arc<dyn saffron_core::Vocabulary> {
        uniform().vocabulary()
    }

    fn end_tokens(&self) -> Vec<saffron_core::Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<saffron_core::Candidates>>, ModelError> {
        let mut reply = uniform().propose(sessions, filter)?;
        reply.work.pop();
        Ok(reply)
    }
}

#[test]
fn a_reply_without_work_for_every_session_is_refused_alone_and_beside_others() {
    let session = session(&uniform());
    let searcher = Searcher::new(Greedy).max_new_tokens(2);
    let mut scorer = saffron_core::PrmScorer(process_reward_fn(|_| 0.0));
    let alone = searcher.run(&session, &mut Thrifty, &mut scorer).unwrap_err();
    assert!(with_causes(&alone).contains("work entries of a batch: expected 1, found 0"), "{alone:?}");
    let outcomes = searcher.run_many(&[session.clone(), session], &mut Thrifty, &mut scorer).unwrap();
    for outcome in outcomes {
        assert!(with_causes(&outcome.unwrap_err()).contains("work entries of a batch"));
    }
}
