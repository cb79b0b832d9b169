//! Many prompts at once when something is wrong with one of them, or with what watches it.

use std::ops::ControlFlow;
use std::sync::Arc;

use saffron_core::testing::{ScriptedReward, TablePolicy};
use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ChildScorer, Level, ModelError, Outcome, PlainVocabulary, Policy, Reply,
    SearchContext, SearchError, SearchErrorKind, SearchObserver, SearchStart, SearchStrategy, Session, Step, Token,
    TreeChange, Vocabulary,
};
use saffron_search::{Greedy, Saffron, Searcher};

fn policy() -> TablePolicy {
    TablePolicy::new(vec![0.0, 2.0, 1.0, 0.5], vec![0])
}

fn sessions(count: u32) -> Vec<Session> {
    (0..count).map(|prompt| Session::new(PlainVocabulary::shared(4), vec![prompt % 4, 1]).unwrap()).collect()
}

fn message(error: &SearchError) -> &str {
    match error.kind() {
        SearchErrorKind::Panicked { message, .. } => message,
        other => panic!("{other}"),
    }
}

/// Panics wherever it is told to.
#[derive(Default)]
struct Panics(&'static str);

impl Panics {
    fn at(&self, place: &str) {
        assert!(self.0 != place, "no");
    }
}

impl SearchObserver for Panics {
    fn on_start(&mut self, _: &SearchStart) {
        self.at("start");
    }

    fn on_change(&mut self, _: &TreeChange) {
        self.at("change");
    }

    fn on_level(&mut self, _: &Level) -> ControlFlow<()> {
        self.at("level");
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, _: &Outcome) {
        self.at("finish");
    }
}

#[test]
fn an_observer_that_panics_ends_its_own_search_only() {
    let sessions = sessions(6);
    for at_once in [1, 2, 6] {
        let mut observers = ["start", "", "change", "level", "", "finish"].map(Panics);
        let many = Searcher::new(Greedy).max_new_tokens(3);
        let results = many.many(&sessions).at_once(at_once).observed(&mut observers);
        let results = results.run(&mut policy(), &mut ScriptedReward::new(0.0)).unwrap();
        for (place, result) in results.iter().enumerate() {
            match result {
                Ok(_) => assert!([1, 4].contains(&place)),
                Err(error) => assert!(message(error) == "no" && ![1, 4].contains(&place)),
            }
        }
    }
}

/// Has no words for itself.
struct Nameless;

impl SearchStrategy for Nameless {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Nameless)
    }

    fn step(&mut self, _: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        Ok(Step::Done)
    }

    fn describe(&self) -> String {
        panic!("what am I?")
    }
}

#[test]
fn a_strategy_that_panics_over_its_name_leaves_nobody_waiting() {
    let settings = Searcher::new(Greedy).settings().clone();
    let searcher = Searcher::with_settings(Box::new(Nameless), settings);
    let results = searcher.run_many(&sessions(3), &mut policy(), &mut ScriptedReward::new(0.0)).unwrap();
    assert!(results.iter().all(|result| message(result.as_ref().unwrap_err()) == "what am I?"));
}

/// Takes one session at a time.
struct OneByOne(ScriptedReward);

impl ChildScorer for OneByOne {
    fn score_children(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        if sessions.len() > 1 {
            return Err(ModelError::other("scoring", "too many"));
        }
        self.0.score_children(sessions, candidates)
    }

    fn describe(&self) -> String {
        String::from("one by one")
    }
}

#[test]
fn a_scorer_that_fails_in_batches_serves_every_search_alone() {
    let searcher = Searcher::new(Saffron::paper(1)).max_new_tokens(4);
    let mut scorer = OneByOne(ScriptedReward::new(1.0));
    let together = searcher.run_many(&sessions(5), &mut policy(), &mut scorer).unwrap();
    for (result, session) in together.into_iter().zip(sessions(5)) {
        let alone = searcher.run(&session, &mut policy(), &mut scorer).unwrap();
        let result = result.unwrap();
        assert_eq!((&result.best, result.usage.reward.calls), (&alone.best, alone.usage.reward.calls));
    }
}

/// Says what it was asked for, in the order of the prompts.
struct Asked(TablePolicy, Vec<usize>);

impl Policy for Asked {
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
        self.1.push(sessions.len());
        self.0.propose(sessions, filter)
    }
}

#[test]
fn a_thousand_prompts_at_once_are_one_batch_a_token() {
    let sessions = sessions(1000);
    let mut policy = Asked(policy(), Vec::new());
    let searcher = Searcher::new(Greedy).max_new_tokens(3);
    let many = searcher.many(&sessions).at_once(1000);
    let results = many.run(&mut policy, &mut ScriptedReward::new(0.0)).unwrap();
    assert!(results.len() == 1000 && results.iter().all(Result::is_ok));
    assert_eq!(policy.1, [1000; 3]);
}

#[test]
fn no_prompts_are_no_calls() {
    let mut policy = Asked(policy(), Vec::new());
    let results = Searcher::new(Greedy).run_many(&[], &mut policy, &mut ScriptedReward::new(0.0)).unwrap();
    assert!(results.is_empty() && policy.1.is_empty());
}

#[test]
fn time_is_shared_out_whole() {
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3);
    let begun = std::time::Instant::now();
    let results = searcher.run_many(&sessions(8), &mut policy(), &mut ScriptedReward::new(0.0)).unwrap();
    let whole = begun.elapsed();
    let shares = results.into_iter().map(|result| result.unwrap().usage);
    let shared: std::time::Duration = shares.map(|usage| usage.policy.wall + usage.reward.wall).sum();
    assert!(!shared.is_zero() && shared <= whole, "{shared:?} of {whole:?}");
}
