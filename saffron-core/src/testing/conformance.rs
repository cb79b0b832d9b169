//! What every implementation of a trait must keep to. Each function panics with a sentence when it does not; call it from a test.

use crate::candidates::Candidates;
use crate::context::ContextSettings;
use crate::driver::SearchDriver;
use crate::filter::CandidateFilter;
use crate::policy::Policy;
use crate::port::{DirectPort, ModelPort};
use crate::report::with_causes;
use crate::reward::{ChildReward, ProcessRewardModel};
use crate::scorer::ChildScorer;
use crate::session::Session;
use crate::strategy::{SearchStrategy, Step};

/// How far two answers to the same question may lie apart: float noise of another batch or of a cache.
const TOLERANCE: f32 = 1e-3;

/// Checks a policy on at least one session: ranking, mass, bans, minimum length, repetition, and batch against one by one.
///
/// # Panics
///
/// When the policy breaks its contract or fails.
pub fn policy(policy: &mut dyn Policy, sessions: &[Session]) {
    assert!(!sessions.is_empty(), "conformance needs at least one session");
    let filter = CandidateFilter { top_p: 0.9, ..CandidateFilter::default() };
    let together = propose(policy, sessions, &filter);
    assert_eq!(together.len(), sessions.len(), "one list of candidates a session");
    let size = policy.vocabulary().size();
    together.iter().for_each(|candidates| check_candidates(candidates, size));
    let again = propose(policy, sessions, &filter);
    for (place, session) in sessions.iter().enumerate() {
        assert_close(&together[place], &again[place], "the same call gives the same candidates");
        let alone = propose(policy, std::slice::from_ref(session), &filter);
        assert_close(&together[place], &alone[0], "a batch gives what one by one gives");
    }
    check_bans(policy, &sessions[0], &together[0]);
    assert!(propose(policy, &[], &filter).is_empty(), "an empty batch has an empty answer");
}

fn propose(policy: &mut dyn Policy, sessions: &[Session], filter: &CandidateFilter) -> Vec<Candidates> {
    let reply =
        policy.propose(sessions, filter).unwrap_or_else(|error| panic!("the policy failed: {}", with_causes(&error)));
    assert_eq!(reply.work.len(), sessions.len(), "one entry of work a session");
    reply.value
}

fn check_candidates(candidates: &Candidates, size: usize) {
    assert!(!candidates.is_empty(), "the most probable token is always a candidate");
    assert!(candidates.mass > 0.0 && candidates.mass <= 1.0, "mass lies in (0, 1], found {}", candidates.mass);
    let sum: f64 = candidates.ranked.iter().map(|candidate| f64::from(candidate.logprob).exp()).sum();
    assert!((sum - f64::from(candidates.mass)).abs() < 1e-4, "mass is the sum of the probabilities");
    let ordered = candidates.ranked.windows(2).all(|pair| {
        pair[0].logprob > pair[1].logprob || (pair[0].logprob >= pair[1].logprob && pair[0].token < pair[1].token)
    });
    assert!(ordered, "candidates are ranked by probability, then token id");
    assert!(candidates.tokens().all(|token| (token as usize) < size), "tokens lie in the vocabulary");
}

fn assert_close(left: &Candidates, right: &Candidates, what: &str) {
    let pairs = left.ranked.iter().zip(&right.ranked);
    let same = pairs.filter(|(a, b)| (a.logprob - b.logprob).abs() > TOLERANCE).count() == 0;
    // A token at the nucleus' edge may fall on either side by float noise; everything before it may not.
    assert!(same && left.len().abs_diff(right.len()) <= 1, "{what}");
}

fn check_bans(policy: &mut dyn Policy, session: &Session, free: &Candidates) {
    let banned = free.ranked[0].token;
    let filter = CandidateFilter { banned: vec![banned], ..CandidateFilter::default() };
    let without = propose(policy, std::slice::from_ref(session), &filter);
    assert!(without[0].tokens().all(|token| token != banned), "a banned token is no candidate");
    let said =
        session.with_response([session.response(), &[banned]].concat()).expect("a candidate lies in the vocabulary");
    let filter = CandidateFilter { no_repeat_ngram: 1, ..CandidateFilter::default() };
    let new = propose(policy, std::slice::from_ref(&said), &filter);
    assert!(new[0].tokens().all(|token| !said.response().contains(&token)), "no n-gram comes twice");
    let filter = CandidateFilter { min_p: 0.5, ..CandidateFilter::default() };
    let likely = propose(policy, std::slice::from_ref(session), &filter);
    let least = likely[0].ranked[0].logprob + 0.5f32.ln() - TOLERANCE;
    assert!(likely[0].ranked.iter().all(|candidate| candidate.logprob >= least), "no candidate below min-p");
    let ends = policy.end_tokens();
    let min_new_tokens = session.response().len() + 1;
    let filter = CandidateFilter { min_new_tokens, end_tokens: ends.clone(), ..CandidateFilter::default() };
    let young = propose(policy, std::slice::from_ref(session), &filter);
    assert!(young[0].tokens().all(|token| !ends.contains(&token)), "no end token below min_new_tokens");
}

/// Checks a scorer: one reward a candidate, numbers only, the same answer twice and one by one, equal inputs bit-equal.
///
/// # Panics
///
/// When the scorer breaks its contract or fails.
pub fn child_scorer(scorer: &mut dyn ChildScorer, sessions: &[Session], candidates: &[Candidates]) {
    assert!(!sessions.is_empty(), "conformance needs at least one session");
    let together = score(scorer, sessions, candidates);
    for (place, session) in sessions.iter().enumerate() {
        assert_eq!(together[place].len(), candidates[place].len(), "one reward a candidate");
        let (session, list) = (std::slice::from_ref(session), std::slice::from_ref(&candidates[place]));
        let alone = score(scorer, session, list);
        let close = together[place].iter().zip(&alone[0]).all(|pair| match pair {
            (ChildReward::Seen(a), ChildReward::Seen(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(1.0),
            (a, b) => a == b,
        });
        assert!(close, "a batch gives what one by one gives");
    }
    let twice = [sessions[0].clone(), sessions[0].clone()];
    let equal = score(scorer, &twice, &[candidates[0].clone(), candidates[0].clone()]);
    assert_eq!(equal[0], equal[1], "equal inputs of a call get equal rewards");
}

fn score(scorer: &mut dyn ChildScorer, sessions: &[Session], candidates: &[Candidates]) -> Vec<Vec<ChildReward>> {
    let reply = scorer.score_children(sessions, candidates);
    let reply = reply.unwrap_or_else(|error| panic!("the scorer failed: {}", with_causes(&error)));
    assert_eq!(reply.value.len(), sessions.len(), "one list of rewards a session");
    assert_eq!(reply.work.len(), sessions.len(), "one entry of work a session");
    let mut numbers = reply.value.iter().flatten().filter_map(|reward| reward.seen());
    assert!(numbers.all(|reward| !reward.is_nan()), "rewards are numbers");
    reply.value
}

/// Checks a process reward model: one number a session, the same twice and one by one.
///
/// # Panics
///
/// When the model breaks its contract or fails.
pub fn process_reward(model: &mut dyn ProcessRewardModel, sessions: &[Session]) {
    let mut ask = |sessions: &[Session]| {
        let reply =
            model.process_rewards(sessions).unwrap_or_else(|error| panic!("the model failed: {}", with_causes(&error)));
        assert_eq!(reply.value.len(), sessions.len(), "one reward a session");
        assert_eq!(reply.work.len(), sessions.len(), "one entry of work a session");
        reply.value
    };
    let together = ask(sessions);
    for (reward, session) in together.iter().zip(sessions) {
        let alone = ask(std::slice::from_ref(session))[0];
        assert!(!reward.is_nan(), "rewards are numbers");
        assert!((reward - alone).abs() <= TOLERANCE * reward.abs().max(1.0), "a batch gives what one by one gives");
    }
}

/// Checks a strategy on a port: it ends, each step changes something, and a fresh instance repeats it exactly.
///
/// # Panics
///
/// When the strategy breaks its contract or fails.
pub fn strategy(
    strategy: &dyn SearchStrategy,
    port: &mut dyn ModelPort,
    session: &Session,
    settings: &ContextSettings,
) {
    let first = run(strategy, port, session, settings);
    let second = run(strategy, port, session, settings);
    assert_eq!(first, second, "a fresh instance repeats the search");
}

fn run(
    strategy: &dyn SearchStrategy,
    port: &mut dyn ModelPort,
    session: &Session,
    settings: &ContextSettings,
) -> Vec<u32> {
    let mut observer = ();
    let mut strategy = strategy.fresh();
    let driver = SearchDriver::new(port, &mut observer, session, settings.clone());
    let mut driver = driver.unwrap_or_else(|error| panic!("the settings cannot be run with: {error}"));
    let mut step = || driver.step(&mut *strategy);
    // A step that changes nothing is an error.
    while step().unwrap_or_else(|error| panic!("the strategy failed: {}", with_causes(&error))) == Step::Continue {}
    let outcome = driver.outcome(strategy.describe(), None).unwrap_or_else(|error| panic!("no outcome: {error}"));
    assert!(outcome.best.tokens.len() <= settings.max_new_tokens, "the answer keeps to max_new_tokens");
    outcome.best.tokens
}

/// A port over two models, for [`strategy()`].
pub fn port<'a>(policy: &'a mut dyn Policy, scorer: &'a mut dyn ChildScorer) -> DirectPort<'a> {
    DirectPort::new(policy, scorer)
}
