//! Two reward models as one.

use saffron_core::testing::{ScriptedReward, TablePolicy, conformance};
use saffron_core::{
    CandidateFilter, Candidates, ChildReward, ChildScorer, MultifurcationRewardModel, Policy, Session, TokenSet,
    WeightedSum,
};

fn asked() -> (Vec<Session>, Vec<Candidates>) {
    let mut policy = TablePolicy::new(vec![0.0; 4], vec![0]);
    let session = policy.session(&[1]).unwrap();
    let sessions = vec![session.clone(), session.with_response(vec![3]).unwrap()];
    let candidates = policy.propose(&sessions, &CandidateFilter::default()).unwrap().value;
    (sessions, candidates)
}

/// Its second part knows no token 2 and is against token 3.
fn sum() -> WeightedSum<ScriptedReward, ScriptedReward> {
    let mut unseen = TokenSet::new(4);
    unseen.insert(2);
    let second = ScriptedReward::new(0.0).with(vec![3], -1.0).with_unseen(unseen);
    WeightedSum { first: ScriptedReward::new(1.0), second, weight: 0.5 }
}

#[test]
fn it_keeps_to_what_every_scorer_must() {
    let (sessions, candidates) = asked();
    conformance::child_scorer(&mut sum(), &sessions, &candidates);
}

#[test]
fn it_weighs_its_second_part_and_sees_what_both_see() {
    let (sessions, candidates) = asked();
    let reply = sum().score_children(&sessions[..1], &candidates[..1]).unwrap();
    let seen = ChildReward::Seen;
    assert_eq!(reply.value, [[seen(1.0), seen(1.0), ChildReward::Unseen, seen(0.5)]]);
    assert_eq!(reply.work[0].asked, 2, "both were asked for one token");
}

#[test]
fn records_name_both_parts_and_the_weight() {
    let sum = sum();
    let of = |part: &ScriptedReward| MultifurcationRewardModel::describe(part);
    let expected = format!("{} + 0.5 × ({})", of(&sum.first), of(&sum.second));
    assert_eq!(MultifurcationRewardModel::describe(&sum), expected);
}
