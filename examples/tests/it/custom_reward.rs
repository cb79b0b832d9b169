//! The reward model of the example `custom_reward`.

#[path = "../../custom_reward/word_list.rs"]
mod word_list;

use saffron_core::testing::{ScriptedReward, TablePolicy, conformance};
use saffron_core::{CandidateFilter, Candidates, ChildReward, ChildScorer, Policy, Session, WeightedSum};
use word_list::WordList;

/// Sessions with their candidates. The vocabulary's text of a token is its number.
fn asked() -> (Vec<Session>, Vec<Candidates>) {
    let mut policy = TablePolicy::new(vec![0.0; 4], vec![0]);
    let session = policy.session(&[1]).unwrap();
    let sessions = vec![session.clone(), session.with_response(vec![3]).unwrap()];
    let candidates = policy.propose(&sessions, &CandidateFilter::default()).unwrap().value;
    (sessions, candidates)
}

fn list() -> WordList {
    WordList::new(&[String::from("3")])
}

#[test]
fn each_keeps_to_what_every_scorer_must() {
    let (sessions, candidates) = asked();
    conformance::child_scorer(&mut list(), &sessions, &candidates);
    let mut both = WeightedSum { first: ScriptedReward::new(1.0), second: list(), weight: 0.5 };
    conformance::child_scorer(&mut both, &sessions, &candidates);
}

#[test]
fn a_listed_word_counts_wherever_it_stands() {
    let (sessions, candidates) = asked();
    let rewards = list().score_children(&sessions, &candidates).unwrap().value;
    let seen = |values: [f32; 4]| values.map(ChildReward::Seen).to_vec();
    assert_eq!(rewards, [seen([0.0, 0.0, 0.0, -1.0]), seen([-1.0, -1.0, -1.0, -2.0])]);
}

#[test]
fn a_sum_with_a_model_costs_what_the_model_does() {
    let (sessions, candidates) = asked();
    let mut both = WeightedSum { first: ScriptedReward::new(1.0), second: list(), weight: 0.5 };
    let reply = both.score_children(&sessions[..1], &candidates[..1]).unwrap();
    assert_eq!(reply.value, [[1.0, 1.0, 1.0, 0.5].map(ChildReward::Seen)]);
    assert_eq!(reply.work[0].asked, 1, "the cost is the first's, the list is free");
}
