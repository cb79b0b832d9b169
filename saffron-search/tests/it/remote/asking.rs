//! What is asked for: how many, how often, with which key.

use saffron_core::testing::ScriptedReward;
use saffron_core::{CandidateFilter, Coverage, Policy, TextPolicy};
use saffron_search::remote::{ApiKey, EngineKind, RemoteSettings};
use saffron_search::{Saffron, Searcher};
use serde_json::json;

use super::fake::{FakeEngine, VOCAB};
use super::scripted::{Scripted, Seen};
use super::{connect, good, policy, session, settings};

fn top(kind: EngineKind, seen: &Seen) -> u64 {
    let field = match kind {
        EngineKind::LlamaCpp => "n_probs",
        EngineKind::Vllm => "logprobs",
        EngineKind::Sglang => "top_logprobs_num",
    };
    seen.body[field].as_u64().unwrap()
}

#[test]
fn where_too_little_mass_is_listed_twice_as_many_are_asked_for_once() {
    for kind in EngineKind::ALL {
        let server = good(kind);
        let mut policy = policy(connect(kind, &server, RemoteSettings { top: 2, ..settings() }));
        let filter = CandidateFilter { top_p: 0.99, ..CandidateFilter::default() };
        let candidates = policy.propose(&[session()], &filter).unwrap().value.remove(0);
        let asked: Vec<u64> = server.steps().iter().map(|seen| top(kind, seen)).collect();
        assert_eq!(asked, [4, 2, 4], "{kind}: the probe tries the most that is ever asked for");
        assert_eq!((candidates.len(), candidates.coverage), (4, Coverage::Truncated));
        assert!(candidates.mass < 0.99);
        // Enough at once: no second request.
        let filter = CandidateFilter { top_p: 0.1, ..CandidateFilter::default() };
        let candidates = policy.propose(&[session()], &filter).unwrap().value.remove(0);
        assert_eq!((candidates.len(), candidates.coverage, server.steps().len()), (1, Coverage::Full, 4));
    }
}

#[test]
fn what_may_not_be_said_again_takes_no_place_in_the_list() {
    for kind in EngineKind::ALL {
        let server = good(kind);
        let mut policy = policy(connect(kind, &server, settings()));
        let filter = CandidateFilter { top_k: Some(1), no_repeat_ngram: 1, ..CandidateFilter::default() };
        let mut session = session();
        for said in 1..6 {
            let best = policy.propose(&[session.clone()], &filter).unwrap().value.remove(0).ranked[0].token;
            assert!(!session.response().contains(&best), "{kind}");
            session = session.with_response([session.response(), &[best]].concat()).unwrap();
            assert_eq!(top(kind, server.steps().last().unwrap()), said, "{kind}: one more than was said");
        }
        assert_eq!(server.steps().len(), 6, "{kind}: the probe, and a request a step");
    }
}

/// A neighbour with more forbidden tokens makes the list of a shared request longer.
#[test]
fn candidates_do_not_depend_on_what_a_neighbour_may_not_say() {
    for kind in EngineKind::ALL {
        let server = good(kind);
        let mut policy = policy(connect(kind, &server, RemoteSettings { top: 3, ..settings() }));
        let filter = CandidateFilter { temperature: 0.7, no_repeat_ngram: 1, ..CandidateFilter::default() };
        let (short, long) = (session(), session().with_response((20..30).collect()).unwrap());
        let alone = policy.propose(std::slice::from_ref(&short), &filter).unwrap().value.remove(0);
        let beside = policy.propose(&[long, short], &filter).unwrap().value.remove(1);
        assert_eq!(beside, alone, "{kind}");
    }
}

#[test]
fn a_cut_within_the_list_is_asked_for_once_whatever_the_temperature() {
    let server = good(EngineKind::Vllm);
    let mut policy = policy(connect(EngineKind::Vllm, &server, settings()));
    let filter = CandidateFilter { temperature: 0.7, top_p: 0.99, min_p: 0.5, ..CandidateFilter::default() };
    let candidates = policy.propose(&[session()], &filter).unwrap().value.remove(0);
    assert!(candidates.mass < 0.99 && candidates.coverage == Coverage::Truncated, "an estimate: {candidates:?}");
    assert_eq!(server.steps().len(), 2, "the probe and one request");
}

#[test]
fn the_outcome_says_how_often_candidates_were_truncated() {
    let server = good(EngineKind::Vllm);
    let mut policy = policy(connect(EngineKind::Vllm, &server, RemoteSettings { top: 1, ..settings() }));
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3).min_new_tokens(3).top_p(0.999);
    let outcome = searcher.run(&session(), &mut policy, &mut ScriptedReward::new(0.0)).unwrap();
    assert_eq!((outcome.usage.policy.truncated, outcome.usage.policy.sessions), (5, 5));
    let mut whole = super::policy(connect(EngineKind::Vllm, &server, RemoteSettings { top: VOCAB, ..settings() }));
    let outcome = searcher.run(&session(), &mut whole, &mut ScriptedReward::new(0.0)).unwrap();
    assert_eq!(outcome.usage.policy.truncated, 0);
}

#[test]
fn a_cut_by_number_asks_for_no_more_than_it_needs() {
    let server = good(EngineKind::LlamaCpp);
    let mut policy = policy(connect(EngineKind::LlamaCpp, &server, settings()));
    let filter = CandidateFilter { top_k: Some(3), banned: vec![7], ..CandidateFilter::default() };
    let candidates = policy.propose(&[session()], &filter).unwrap().value.remove(0);
    assert_eq!((candidates.len(), candidates.coverage), (3, Coverage::Full));
    let asked: Vec<u64> = server.steps().iter().skip(1).map(|seen| top(EngineKind::LlamaCpp, seen)).collect();
    assert_eq!(asked, [4]);
}

#[test]
fn large_batches_are_asked_in_parts() {
    for kind in EngineKind::ALL {
        let server = good(kind);
        let mut policy = policy(connect(kind, &server, RemoteSettings { max_batch: 3, ..settings() }));
        let sessions: Vec<_> = (4..12).map(|token| session().with_response(vec![token]).unwrap()).collect();
        let filter = CandidateFilter { top_p: 0.5, ..CandidateFilter::default() };
        assert_eq!(policy.propose(&sessions, &filter).unwrap().value.len(), 8);
        assert_eq!(server.steps().len(), 1 + 3, "{kind}");
    }
}

#[test]
fn a_key_goes_into_every_request_and_nowhere_else() {
    let engine = FakeEngine::new(EngineKind::Vllm);
    let server = Scripted::serve(move |seen| match &seen.authorization {
        Some(key) if key == "Bearer s3cret" => engine.reply(seen),
        key => super::scripted::Reply::Status(401, Vec::new(), format!("who is {key:?}?")),
    });
    let with_key = RemoteSettings { api_key: Some(ApiKey::new("s3cret")), ..settings() };
    assert!(!format!("{with_key:?}").contains("s3cret"));
    let connected = connect(EngineKind::Vllm, &server, with_key);
    assert!(!format!("{connected:?}").contains("s3cret"));
    let mut policy = policy(connected);
    policy.propose(&[session()], &CandidateFilter::default()).unwrap();
    assert!(server.seen().iter().all(|seen| seen.authorization.as_deref() == Some("Bearer s3cret")));
    let address = super::address(EngineKind::Vllm, &[&server]);
    let error = saffron_search::remote::Server::connect(&address, settings()).unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
    // A server that repeats a wrong key does not bring it into an error.
    let wrong = RemoteSettings { api_key: Some(ApiKey::new("wr0ng")), ..settings() };
    let error = saffron_search::remote::Server::connect(&address, wrong).unwrap_err();
    assert!(error.to_string().contains("who is") && !format!("{error:?}").contains("wr0ng"), "{error:?}");
}

#[test]
fn sampling_defaults_of_a_server_are_overruled() {
    for (kind, place, fields) in [
        (EngineKind::LlamaCpp, "", json!({ "temperature": -1.0, "post_sampling_probs": false, "cache_prompt": true })),
        (EngineKind::Vllm, "", json!({ "temperature": 0.0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0 })),
        (
            EngineKind::Sglang,
            "/sampling_params",
            json!({ "temperature": 0.0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0 }),
        ),
    ] {
        let server = good(kind);
        connect(kind, &server, settings());
        let body = &server.steps()[0].body;
        let place = body.pointer(place).unwrap();
        assert!(fields.as_object().unwrap().iter().all(|(field, value)| place[field] == *value), "{kind}: {body}");
    }
}

#[test]
fn what_a_user_writes_is_text_whatever_it_spells() {
    for kind in EngineKind::ALL {
        let server = good(kind);
        let connected = connect(kind, &server, settings());
        assert_eq!(connected.tokenize("a<x>b", true).unwrap(), [0, 36, 1], "{kind}");
        if kind != EngineKind::LlamaCpp {
            assert_eq!(policy(connected).session("a<x>b").unwrap().prompt(), [0, 37, 23, 38, 1], "{kind}");
        }
    }
}
