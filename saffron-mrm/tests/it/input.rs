//! What a multifurcation reward model reads and what it passes over.

use burn::tensor::Device;
use saffron_core::{Candidate, Candidates, ChildReward, Coverage, MultifurcationRewardModel, Session, TextPolicy};
use saffron_mrm::{LmPolicy, LoadError, ModelOptions, Mrm, MrmInput, PrefillUse, RewardHead};

use crate::fixtures::dir;

fn mrm() -> Mrm {
    let base = Mrm::builder(dir("tiny-a").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
    base.with_adapter(dir("tiny-a").join("mrm")).unwrap()
}

fn attacked() -> Session {
    let policy = LmPolicy::open(dir("tiny-a").join("policy"), &Device::flex()).unwrap();
    let session = policy.attacked_session("one question", "Sure, here is", 2).unwrap();
    session.with_response(session.prompt().to_vec()).unwrap()
}

#[test]
fn a_prefill_is_read_only_where_it_is_to_be_seen() {
    let (session, hidden) = (attacked(), mrm());
    let seen = mrm().with_input(MrmInput { prefill: PrefillUse::Seen, ..MrmInput::paper() });
    let [hidden, seen] = [hidden, seen].map(|mrm| mrm.context(&session).unwrap());
    let response = session.response();
    assert_eq!(session.prefill().len(), 2);
    assert_eq!(hidden.len() + 2, seen.len());
    let before = hidden.len() - response.len();
    assert_eq!(seen, [&hidden[..before], session.prefill(), response].concat());
}

#[test]
fn a_head_of_another_vocabulary_is_refused_by_field() {
    let size = mrm().head().bias.len();
    let short = RewardHead { bias: vec![0.0; size - 1], ..RewardHead::neutral(size) };
    for (field, head) in
        [("bias", short), ("unseen tokens", RewardHead { bias: vec![0.0; size], ..RewardHead::neutral(size + 1) })]
    {
        let error = mrm().with_head(head).unwrap_err();
        assert!(matches!(&error, LoadError::Field { field: found, .. } if found == field), "{error}");
    }
}

#[test]
fn without_unseen_tokens_every_candidate_is_rewarded() {
    let (session, mut masked) = (attacked(), mrm());
    let unseen: Vec<_> = masked.head().unseen.iter().take(2).collect();
    assert!(!unseen.is_empty(), "the fixture has unseen tokens");
    let open = RewardHead { unseen: RewardHead::neutral(masked.head().bias.len()).unseen, ..masked.head().clone() };
    let mut open = mrm().with_head(open).unwrap();
    let ranked = unseen.iter().map(|token| Candidate { token: *token, logprob: -0.7 }).collect();
    let candidates = [Candidates { ranked, mass: 1.0, coverage: Coverage::Full }];
    let sessions = [session];
    let with = masked.child_rewards(&sessions, &candidates).unwrap().value;
    let without = open.child_rewards(&sessions, &candidates).unwrap().value;
    assert_eq!(with, [vec![ChildReward::Unseen; 2]]);
    assert!(without[0].iter().all(|reward| matches!(reward, ChildReward::Seen(_))));
}
