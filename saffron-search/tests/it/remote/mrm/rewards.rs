//! Rewards by every route are those of the same model at hand.

use std::collections::BTreeSet;

use saffron_core::{
    Candidate, Candidates, ChildReward, Coverage, MultifurcationRewardModel, Outcome, PlainVocabulary, Session, Token,
};
use saffron_search::remote::{EngineKind, RemoteMrm, RewardSettings};
use saffron_search::{Saffron, Searcher};

use super::fake::{FakeMrm, Local, REFERENCE, Way, head, logit};
use super::{open, open_with, rewards_asked, serve, settings};
use crate::remote::fake::VOCAB;
use crate::remote::{good, layout, policy, session};

fn list(tokens: &[Token]) -> Candidates {
    let ranked = tokens.iter().map(|token| Candidate { token: *token, logprob: -1.0 }).collect();
    Candidates { ranked, mass: 0.9, coverage: Coverage::Full }
}

fn child(response: &[Token]) -> Session {
    session().with_response(response.to_vec()).unwrap()
}

fn close(found: &[Vec<ChildReward>], expected: &[Vec<ChildReward>]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len());
        for pair in found.iter().zip(expected) {
            match pair {
                (ChildReward::Seen(found), ChildReward::Seen(expected)) => {
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
                (found, expected) => assert_eq!(found, expected),
            }
        }
    }
}

#[test]
fn every_route_gives_the_rewards_of_the_model_at_hand() {
    for way in Way::ALL {
        let server = serve(FakeMrm::new(way));
        let mut mrm = open(way, &server).unwrap();
        assert_eq!(mrm.report().route, way.route());
        assert!(mrm.report().error.unwrap() < 1e-5, "{way:?}: {}", mrm.report());
        let sessions = [child(&[]), child(&[4]), child(&[4, 7]), child(&[4])];
        let lists = [list(&[1, 5, 30]), list(&[2, 3]), list(&[9]), list(&[3, 8])];
        let found = mrm.child_rewards(&sessions, &lists).unwrap();
        let expected = Local(layout()).child_rewards(&sessions, &lists).unwrap();
        close(&found.value, &expected.value);
        assert_eq!(found.value[0][1], ChildReward::Unseen);
        assert_eq!(found.value[1][1], found.value[3][0], "equal contexts have equal rewards");
        // What has no seen candidate is not asked for.
        assert_eq!(found.work[2].asked, 0);
        assert_eq!(found.work[0].asked, layout().render(&[9, 10, 11], &[], 99).unwrap().len() as u64);
    }
}

#[test]
fn equal_contexts_are_asked_about_once_and_unseen_ids_never() {
    for way in Way::ALL {
        let server = serve(FakeMrm::new(way));
        let mut mrm = open(way, &server).unwrap();
        let before = rewards_asked(&server).len();
        mrm.child_rewards(&[child(&[4]), child(&[4]), child(&[6])], &[list(&[1, 5]), list(&[2]), list(&[7])]).unwrap();
        let asked = rewards_asked(&server);
        assert_eq!(asked.len(), before + 1, "{way:?}: one request");
        let body = &asked[before].body;
        let sequences = if way == Way::VllmPooling { &body["input"] } else { &body["prompt"] };
        assert_eq!(sequences.as_array().unwrap().len(), 2, "{way:?}");
        let ids: BTreeSet<u64> = match way {
            Way::VllmPooling => continue,
            Way::LlamaCpp => {
                body["logit_bias"].as_array().unwrap().iter().map(|pair| pair[0].as_u64().unwrap()).collect()
            }
            _ => body["logprob_token_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect(),
        };
        let reference = (way != Way::VllmLogits).then_some(u64::from(REFERENCE));
        assert_eq!(ids, [1, 2, 7].into_iter().chain(reference).collect(), "{way:?}");
    }
}

#[test]
fn lists_over_the_limit_are_parted() {
    for way in [Way::VllmLogits, Way::VllmReference] {
        let server = serve(FakeMrm { most: 16, ..FakeMrm::new(way) });
        let mut mrm = open(way, &server).unwrap();
        let limit = 16 - usize::from(way == Way::VllmReference);
        assert_eq!(mrm.report().id_limit, Some(limit), "{way:?}");
        let before = rewards_asked(&server).len();
        let all: Vec<Token> = (0..VOCAB as Token).collect();
        let lists = [list(&all), list(&[1, 2])];
        let found = mrm.child_rewards(&[child(&[]), child(&[4])], &lists).unwrap();
        close(&found.value, &Local(layout()).child_rewards(&[child(&[]), child(&[4])], &lists).unwrap().value);
        assert_eq!(rewards_asked(&server).len() - before, 3, "37 seen ids in three requests");
        // The context is asked about three times, and attributed once.
        let length = layout().render(&[9, 10, 11], &[], 99).unwrap().len() as u64;
        assert_eq!((found.work[0].asked, found.work[0].attributed.tokens), (3 * length, length));
    }
}

#[test]
fn all_rewards_of_raw_ids() {
    for way in Way::ALL {
        let server = serve(FakeMrm::new(way));
        let mrm = open(way, &server).unwrap();
        let contexts = [vec![7, 8], vec![1]];
        let found = mrm.raw_rewards(&contexts).unwrap();
        for (context, rewards) in contexts.iter().zip(&found) {
            for (token, found) in (0..).zip(rewards) {
                match (head().head.reward(token, logit(context, token)), found) {
                    (ChildReward::Seen(expected), Some(found)) => assert!((found - expected).abs() < 1e-5),
                    (ChildReward::Unseen, None) => {}
                    other => panic!("{way:?}, {token}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn without_the_bias_and_with_the_prefill() {
    let server = serve(FakeMrm::new(Way::VllmLogits));
    let mut rewards = RewardSettings::default();
    (rewards.adds_bias, rewards.sees_prefill) = (false, true);
    let mut mrm = open_with(Way::VllmLogits, &server, settings(), head(), rewards).unwrap();
    let context = [1, 9, 10, 11, 2, 3, 12, 4];
    assert_eq!(mrm.context(&child(&[4])).unwrap(), context);
    let found = mrm.child_rewards(&[child(&[4])], &[list(&[1, 5])]).unwrap().value;
    let ChildReward::Seen(reward) = found[0][0] else { panic!() };
    assert!((reward - logit(&context, 1)).abs() < 1e-5);
    assert_eq!(found[0][1], ChildReward::Unseen);
    assert_eq!(
        MultifurcationRewardModel::describe(&mrm),
        "mrm (ids as they are, bias left out, prefill seen; served by vllm, logits)"
    );
}

#[test]
fn sessions_of_another_vocabulary_are_refused() {
    let server = serve(FakeMrm::new(Way::VllmLogits));
    let mut mrm = open(Way::VllmLogits, &server).unwrap();
    let other = Session::new(PlainVocabulary::shared(41), vec![1]).unwrap();
    assert!(mrm.child_rewards(&[other], &[list(&[1])]).is_err());
}

/// A search whose policy and reward model are both served, on one server or two.
fn search(way: Way) -> (Outcome, RemoteMrm) {
    let (policy_server, server) = (good(EngineKind::Vllm), serve(FakeMrm::new(way)));
    let mut policy = policy(super::super::connect(EngineKind::Vllm, &policy_server, settings()));
    let mut mrm = open(way, &server).unwrap();
    let outcome = searcher().run(&session(), &mut policy, &mut mrm).unwrap();
    (outcome, mrm)
}

fn searcher() -> Searcher {
    Searcher::new(Saffron::paper(3)).max_new_tokens(6).top_p(0.9)
}

#[test]
fn a_search_over_served_rewards_is_the_one_at_hand() {
    let mut local_policy = crate::remote::fake::Local(layout());
    let expected = searcher().run(&session(), &mut local_policy, &mut Local(layout())).unwrap();
    for way in Way::ALL {
        let (found, _) = search(way);
        let tokens =
            |outcome: &Outcome| outcome.beam.iter().map(|sequence| sequence.tokens.clone()).collect::<Vec<_>>();
        assert_eq!((&found.best.tokens, tokens(&found)), (&expected.best.tokens, tokens(&expected)), "{way:?}");
        assert!(found.usage.reward.asked > 0 && found.usage.reward.attributed.tokens > 0);
    }
}
