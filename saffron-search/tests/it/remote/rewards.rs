//! A guard behind a server.

use std::sync::Arc;

use saffron_core::testing::conformance;
use saffron_core::{
    ModelError, PlainVocabulary, PrmScorer, ProcessRewardModel, Session, Token, Vocabulary, VocabularyError,
    VocabularyId,
};
use saffron_search::remote::{EngineKind, RemoteGuard, RemoteQuestion, RemoteSettings};
use saffron_search::{Saffron, Searcher};

use super::fake::{Local, VOCAB, ranked};
use super::{connect, good, layout, session, settings};

const WORDS: ([&str; 3], [&str; 2]) = (["u", "v", "wx"], ["yes", "no"]);

fn guard(kind: EngineKind, server: &super::Scripted, top: usize) -> RemoteGuard {
    let server = connect(kind, server, RemoteSettings { top, ..settings() });
    let question = RemoteQuestion::in_words(&server, WORDS.0, WORDS.1).unwrap();
    assert_eq!((question.safe, question.not_safe), (24, 13));
    RemoteGuard::new(server, PlainVocabulary::shared(VOCAB), question)
}

fn sessions() -> Vec<Session> {
    [vec![], vec![4], vec![4, 5]].into_iter().map(|response| session().with_response(response).unwrap()).collect()
}

/// The difference of the two answers' log-probabilities behind `u prompt v response wx`: no prefill.
fn expected(session: &Session) -> f32 {
    let context = [&[20][..], session.prompt(), &[21], session.response(), &[22, 23]].concat();
    let of = |token| ranked(&context).into_iter().find(|(other, _)| *other == token).unwrap().1;
    (of(24) - of(13)) as f32
}

#[test]
fn its_reward_is_the_difference_of_its_two_answers() {
    for kind in EngineKind::ALL {
        let server = good(kind);
        // Two of forty tokens: rarely the two answers. vLLM and SGLang are asked for these, llama.cpp for more and more.
        let mut guard = guard(kind, &server, 2);
        let found = guard.process_rewards(&sessions()).unwrap();
        for (reward, session) in found.value.iter().zip(sessions()) {
            assert!((reward - expected(&session)).abs() < 1e-5, "{kind}");
        }
        assert_eq!(found.work.len(), 3);
        conformance::process_reward(&mut guard, &sessions());
        assert!(guard.process_rewards(&[]).unwrap().value.is_empty());
    }
}

#[test]
fn it_guides_a_search() {
    let server = good(EngineKind::Vllm);
    let mut scorer = PrmScorer(guard(EngineKind::Vllm, &server, 16));
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(3).min_new_tokens(3);
    let outcome = searcher.run(&session(), &mut Local(layout()), &mut scorer).unwrap();
    let best = session().with_response(outcome.best.tokens).unwrap();
    assert!((outcome.best.reward.unwrap() - expected(&best)).abs() < 1e-5);
    assert!(outcome.usage.reward.attributed.tokens > 0);
}

#[test]
fn sessions_of_another_vocabulary_are_refused() {
    let server = good(EngineKind::Sglang);
    let other = Session::new(PlainVocabulary::shared(VOCAB + 1), vec![1]).unwrap();
    let error = guard(EngineKind::Sglang, &server, 4).process_rewards(&[other]).unwrap_err();
    let found = VocabularyId(VOCAB as u64 + 1);
    assert!(matches!(error, ModelError::VocabularyMismatch { found: other, .. } if other == found), "{error}");
}

/// A vocabulary of its own ids, whose text is that of the server's.
#[derive(Debug)]
struct Shifted;

impl Vocabulary for Shifted {
    fn id(&self) -> VocabularyId {
        VocabularyId(7)
    }

    fn size(&self) -> usize {
        VOCAB
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        Ok(tokens.iter().map(|token| char::from(b'a' + *token as u8 - 10)).collect())
    }
}

#[test]
fn sessions_of_another_vocabulary_go_through_text_where_that_is_wanted() {
    for kind in EngineKind::ALL {
        let server = good(kind);
        let mut guard = guard(kind, &server, 16).through_text();
        let own = sessions();
        let shift = |ids: &[Token]| ids.iter().map(|id| id + 10).collect::<Vec<_>>();
        let other = |session: &Session| {
            let other = Session::new(Arc::new(Shifted), shift(session.prompt())).unwrap();
            other.with_response(shift(session.response())).unwrap()
        };
        let others: Vec<Session> = own.iter().map(other).collect();
        let expected = guard.process_rewards(&own).unwrap().value;
        let asked = |path: &str| server.seen().iter().filter(|seen| seen.path == path).count();
        let before = asked("/tokenize");
        assert_eq!(guard.process_rewards(&others).unwrap().value, expected, "{kind}");
        // A request a prompt of ids, and one a response that is not empty.
        assert_eq!(asked("/tokenize") - before, 5, "{kind}");
    }
}

#[test]
fn answers_that_begin_alike_are_no_question() {
    let server = good(EngineKind::LlamaCpp);
    let connected = connect(EngineKind::LlamaCpp, &server, settings());
    let error = RemoteQuestion::in_words(&connected, WORDS.0, ["same", "safe"]).unwrap_err();
    assert!(error.to_string().contains("begin with the same token 18"), "{error}");
}
