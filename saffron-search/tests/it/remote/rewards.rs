//! A guard behind a server.

use std::sync::Arc;

use saffron_core::testing::conformance;
use saffron_core::{
    CountsAs, ModelError, PlainVocabulary, PrmScorer, ProcessRewardModel, Session, ThirdAnswer, Token, Vocabulary,
    VocabularyError, VocabularyId,
};
use saffron_search::remote::{EngineKind, RemoteGuard, RemoteQuestion, RemoteQuestions, RemoteSettings};
use saffron_search::{Saffron, Searcher};
use serde_json::Value;

use super::fake::{FakeEngine, Local, VOCAB, ranked};
use super::scripted::Reply;
use super::{Scripted, connect, good, layout, session, settings};

const WORDS: ([&str; 3], [&str; 2]) = (["u", "v", "wx"], ["yes", "no"]);

fn guard(kind: EngineKind, server: &Scripted, top: usize) -> RemoteGuard {
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

/// What each step asked for: how many of the most probable tokens.
fn tops(kind: EngineKind, server: &Scripted) -> Vec<u64> {
    let field = match kind {
        EngineKind::LlamaCpp => "n_probs",
        EngineKind::Vllm => "logprobs",
        EngineKind::Sglang => "top_logprobs_num",
    };
    server.steps().iter().map(|seen| seen.body[field].as_u64().unwrap()).collect()
}

/// A server that leaves the safe answer out of what it says of one sequence.
fn silent_of(kind: EngineKind, sequence: usize) -> Scripted {
    let engine = FakeEngine::new(kind);
    let by_id = |body: &Value| ["logprob_token_ids", "token_ids_logprob"].iter().any(|field| body[field].is_array());
    Scripted::serve(move |seen| match engine.reply(seen) {
        Reply::Json(mut body) if by_id(&seen.body) => {
            if let Some(choice) = body.pointer_mut(&format!("/choices/{sequence}/logprobs/top_logprobs/0")) {
                choice.as_object_mut().unwrap().remove("token_id:24");
            }
            for list in ["output_top_logprobs", "output_token_ids_logprobs"] {
                if let Some(list) = body.pointer_mut(&format!("/{sequence}/meta_info/{list}/0")) {
                    list.as_array_mut().unwrap().retain(|triple| triple[1] != 24);
                }
            }
            Reply::Json(body)
        }
        other => other,
    })
}

#[test]
fn an_answer_that_asking_again_cannot_bring_is_missed_at_once_whichever_session_lacks_it() {
    for kind in [EngineKind::Vllm, EngineKind::Sglang] {
        for lacks in 0..3 {
            let server = silent_of(kind, lacks);
            let mut guard = guard(kind, &server, 16);
            let before = server.steps().len();
            let error = guard.process_rewards(&sessions()).unwrap_err();
            assert!(
                error_chain(&error).contains(&format!("sequence {lacks} lacks a log-probability")),
                "{kind}: {error}"
            );
            assert_eq!(tops(kind, &server)[before..], [16], "{kind}: asked once, for no more than it must give");
        }
    }
}

#[test]
fn llama_cpp_is_asked_for_more_only_as_long_as_it_lists_more() {
    let (server, kind) = (good(EngineKind::LlamaCpp), EngineKind::LlamaCpp);
    let mut whole = guard(kind, &server, 2);
    let before = server.steps().len();
    whole.process_rewards(&sessions()).unwrap();
    let asked = tops(kind, &server)[before..].to_vec();
    assert!(asked.len() > 1 && asked.iter().all(|top| *top <= VOCAB as u64), "{asked:?}");
    // Of a server that lists four at most, eight are asked for and no more.
    let engine = FakeEngine { most: 4, ..FakeEngine::new(kind) };
    let short = Scripted::serve(move |seen| engine.reply(seen));
    let mut guard = guard(kind, &short, 2);
    let before = short.steps().len();
    let error = guard.process_rewards(&sessions()).unwrap_err();
    assert!(error_chain(&error).contains("lacks a log-probability"), "{error}");
    assert_eq!(tops(kind, &short)[before..], [2, 8]);
}

#[test]
fn a_guard_never_asks_for_more_tokens_than_the_model_has() {
    let server = good(EngineKind::LlamaCpp);
    let connected =
        connect(EngineKind::LlamaCpp, &server, RemoteSettings { top: 2, vocab_size: Some(VOCAB), ..settings() });
    let question = RemoteQuestion::in_words(&connected, WORDS.0, WORDS.1).unwrap();
    // The sessions' vocabulary has more ids than the model.
    let vocabulary = PlainVocabulary::shared(4 * VOCAB);
    let mut guard = RemoteGuard::new(connected, vocabulary.clone(), question);
    let asked = sessions().into_iter().map(|own| {
        let other = Session::new(vocabulary.clone(), own.prompt().to_vec()).unwrap();
        other.with_response(own.response().to_vec()).unwrap()
    });
    let asked: Vec<Session> = asked.collect();
    let rewards = guard.process_rewards(&asked).unwrap().value;
    for (reward, session) in rewards.iter().zip(sessions()) {
        assert!((reward - expected(&session)).abs() < 1e-5);
    }
    let tops = tops(EngineKind::LlamaCpp, &server);
    assert!(tops.iter().all(|top| *top <= VOCAB as u64), "{tops:?}");
}

/// An error with its causes.
fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The words of a guard's second question.
const OTHER: ([&str; 3], [&str; 2]) = (["u", "v", "yz"], ["same", "no"]);
/// A third answer's token; the others are 24, 18 and 13.
const THIRD: Token = 30;

/// The rewards of the two questions about a session, from its whole distribution.
fn by_question(session: &Session, third: Option<CountsAs>) -> [f32; 2] {
    [([22, 23], 24), ([24, 25], 18)].map(|(suffix, safe)| {
        let context = [&[20][..], session.prompt(), &[21], session.response(), &suffix].concat();
        let of = |token| ranked(&context).into_iter().find(|(other, _)| *other == token).unwrap().1.exp();
        let (safe, not_safe, third_share) = (of(safe), of(13), of(THIRD));
        let odds = match third {
            None => safe / not_safe,
            Some(CountsAs::Safe) => (safe + third_share) / not_safe,
            Some(CountsAs::Unsafe) => safe / (not_safe + third_share),
        };
        odds.ln() as f32
    })
}

fn asks_two(kind: EngineKind, server: &Scripted, top: usize, third: Option<CountsAs>) -> RemoteGuard {
    let server = connect(kind, server, RemoteSettings { top, ..settings() });
    let question = |words: ([&str; 3], [&str; 2])| RemoteQuestion::in_words(&server, words.0, words.1).unwrap();
    let asked = RemoteQuestions::one(question(WORDS)).and(question(OTHER));
    let asked = match third {
        Some(counts_as) => asked.with_third(ThirdAnswer { token: THIRD, counts_as }),
        None => asked,
    };
    RemoteGuard::new(server, PlainVocabulary::shared(VOCAB), asked)
}

#[test]
fn the_lowest_reward_of_several_questions_counts_with_a_third_answer_on_its_side() {
    let thirds = [None, Some(CountsAs::Safe), Some(CountsAs::Unsafe)];
    for (kind, third) in EngineKind::ALL.into_iter().flat_map(|kind| thirds.map(|third| (kind, third))) {
        let server = good(kind);
        let mut guard = asks_two(kind, &server, 2, third);
        let before = server.steps().len();
        let replies = [vec![], vec![4], vec![4, 5], vec![6], vec![7, 8], vec![9, 1, 2], vec![3], vec![5, 5]];
        let sessions = replies.map(|reply| session().with_response(reply).unwrap());
        let found = guard.process_rewards(&sessions).unwrap();
        let rewards: Vec<[f32; 2]> = sessions.iter().map(|session| by_question(session, third)).collect();
        for (reward, [one, other]) in found.value.iter().zip(&rewards) {
            assert!((reward - one.min(*other)).abs() < 1e-5, "{kind} {third:?}: {reward} of {one} and {other}");
        }
        assert!(rewards.iter().any(|[one, other]| one < other) && rewards.iter().any(|[one, other]| one > other));
        // Both questions about all sessions go together; a session costs both of its contexts.
        if kind != EngineKind::LlamaCpp {
            assert_eq!(server.steps().len() - before, 1, "{kind}");
            let lengths = sessions.iter().map(|session| 2 * (7 + session.response().len() as u64));
            assert_eq!(found.work.iter().map(|work| work.asked).collect::<Vec<_>>(), lengths.collect::<Vec<_>>());
        }
        conformance::process_reward(&mut guard, &sessions);
    }
}

#[test]
fn several_questions_convert_a_response_once() {
    let server = good(EngineKind::Vllm);
    let mut guard = asks_two(EngineKind::Vllm, &server, 16, None).through_text();
    let other = Session::new(Arc::new(Shifted), vec![19, 20]).unwrap().with_response(vec![14]).unwrap();
    let asked = || server.seen().iter().filter(|seen| seen.path == "/tokenize").count();
    let before = asked();
    let found = guard.process_rewards(&[other]).unwrap().value;
    assert_eq!(asked() - before, 2, "the prompt and the response");
    let own = Session::new(PlainVocabulary::shared(VOCAB), vec![9, 10]).unwrap().with_response(vec![4]).unwrap();
    assert_eq!(found, guard.process_rewards(&[own]).unwrap().value);
}

#[test]
fn tokens_that_are_left_out_change_no_reward() {
    let server = good(EngineKind::Vllm);
    let connected = connect(EngineKind::Vllm, &server, settings());
    let question = RemoteQuestion::in_words(&connected, WORDS.0, WORDS.1).unwrap();
    let asked = RemoteQuestions::one(question.clone()).leaving_out([33, 34]);
    let guard = |asked: RemoteQuestions| RemoteGuard::new(connected.clone(), PlainVocabulary::shared(VOCAB), asked);
    let (mut reads_words, mut reads_all) = (guard(asked), guard(question.into()));
    let forged = Session::new(PlainVocabulary::shared(VOCAB), vec![9, 33, 10, 11]).unwrap();
    let forged = forged.with_response(vec![34, 4, 5, 33]).unwrap();
    let honest = session().with_response(vec![4, 5]).unwrap();
    let rewards = reads_words.process_rewards(&[forged.clone(), honest.clone()]).unwrap().value;
    assert_eq!(rewards[0], rewards[1]);
    assert!((rewards[0] - expected(&honest)).abs() < 1e-5);
    assert!((reads_all.process_rewards(&[forged]).unwrap().value[0] - rewards[0]).abs() > 1e-4);
}

#[test]
fn a_third_answer_that_is_not_listed_is_missed_by_its_token() {
    let kind = EngineKind::LlamaCpp;
    let engine = FakeEngine::new(kind);
    let server = Scripted::serve(move |seen| match engine.reply(seen) {
        // What is tried at the start is one sequence.
        Reply::Json(mut body) if seen.path == "/completion" && body.is_array() => {
            for row in body.as_array_mut().unwrap() {
                let listed = row.pointer_mut("/completion_probabilities/0/top_logprobs").unwrap();
                listed.as_array_mut().unwrap().retain(|listed| listed["id"] != THIRD);
            }
            Reply::Json(body)
        }
        other => other,
    });
    let error = asks_two(kind, &server, VOCAB, Some(CountsAs::Unsafe)).process_rewards(&sessions());
    let error = error_chain(&error.unwrap_err());
    assert!(error.contains("lacks a log-probability of token 13 or 30"), "{error}");
}
