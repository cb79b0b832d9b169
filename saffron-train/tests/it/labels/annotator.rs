//! Rewards of every prefix, whatever the batches.

use saffron_core::{ModelError, PlainVocabulary, ProcessRewardModel, Reply, Session, Work, process_reward_fn};
use saffron_train::labels::{Annotator, Conversation, LabelError};

use super::{VOCABULARY, corpus, reward, size};

fn annotator(max_tokens: usize, batch: usize) -> Annotator {
    Annotator { vocabulary: PlainVocabulary::shared(VOCABULARY), max_tokens, batch: size(batch) }
}

#[test]
fn every_token_has_the_reward_of_the_reply_up_to_it() {
    for (max_tokens, batch) in [(7, 1), (7, 3), (100, 64), (3, 2)] {
        let labels = annotator(max_tokens, batch).annotate(&corpus(12), 40, &mut process_reward_fn(reward)).unwrap();
        assert_eq!(labels.records.len(), 12);
        for (place, (record, given)) in labels.records.iter().zip(corpus(12)).enumerate() {
            let kept = max_tokens.saturating_sub(given.prompt.len()).min(given.reply.len());
            assert_eq!((record.index, record.cut, record.reply.len()), (40 + place, given.reply.len() - kept, kept));
            assert_eq!((&record.id, &record.group, record.label), (&given.id, &given.group, given.label));
            let root = Session::new(PlainVocabulary::shared(VOCABULARY), given.prompt.clone()).unwrap();
            let prefix = |length: usize| root.with_response(given.reply[..length].to_vec()).unwrap();
            let one_by_one: Vec<f32> = (1..=kept).map(|length| reward(&prefix(length))).collect();
            assert_eq!(record.rewards, one_by_one, "{}", record.id);
            assert_eq!((&record.prompt, record.is_skipped()), (&given.prompt, kept == 0));
        }
    }
}

/// Answers so many rewards too few, and says what each session cost.
struct Costly {
    short: usize,
    calls: Vec<usize>,
}

impl ProcessRewardModel for Costly {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.calls.push(sessions.len());
        let work = sessions.iter().map(|session| Work { asked: session.response().len() as u64, ..Work::default() });
        Ok(Reply { value: vec![0.0; sessions.len() - self.short], work: work.collect() })
    }
}

#[test]
fn calls_are_as_large_as_they_may_be_and_what_they_cost_adds_up() {
    let mut model = Costly { short: 0, calls: Vec::new() };
    let labels = annotator(100, 8).annotate(&corpus(7), 0, &mut model).unwrap();
    assert_eq!(model.calls, [8, 8, 5], "21 prefixes of replies of 0 to 6 tokens");
    assert_eq!(labels.work.asked, 1 + 3 + 6 + 10 + 15 + 21);
    let mut model = Costly { short: 1, calls: Vec::new() };
    let error = annotator(100, 8).annotate(&corpus(7), 0, &mut model).unwrap_err();
    let LabelError::Model { source: ModelError::BatchMismatch { expected: 8, found: 7, .. }, .. } = error else {
        panic!("{error}")
    };
}

#[test]
fn rewards_that_are_no_numbers_are_refused_with_reply_and_position() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let from_three = move |session: &Session| if session.response().len() == 3 { bad } else { 1.0 };
        let error = annotator(100, 64).annotate(&corpus(9), 0, &mut process_reward_fn(from_three)).unwrap_err();
        let LabelError::NotFinite { id, position: 2, value } = &error else { panic!("{error}") };
        assert_eq!((&id[..], value.to_bits()), ("reply 3", bad.to_bits()));
        assert!(error.to_string().starts_with("the reward of `reply 3` at reply token 2 is "), "{error}");
    }
}

/// Says by itself that the second session of a batch has no reward, as guards do.
struct Damaged;

impl ProcessRewardModel for Damaged {
    fn process_rewards(&mut self, _: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        Err(ModelError::NotANumber { what: "rewards", session: 1, token: 9, value: f32::NAN })
    }
}

#[test]
fn what_a_model_says_of_a_session_is_said_of_the_reply() {
    let error = annotator(100, 64).annotate(&corpus(9), 0, &mut Damaged).unwrap_err();
    assert!(matches!(&error, LabelError::NotFinite { id, position: 0, .. } if id == "reply 2"), "{error}");
}

#[test]
fn ids_outside_the_vocabulary_and_empty_prompts_are_refused_before_the_model_is_asked() {
    let size = VOCABULARY;
    let mut model = Costly { short: 0, calls: Vec::new() };
    let reply = Conversation { id: "odd".into(), prompt: vec![1], reply: vec![2, 50], ..Conversation::default() };
    let prompt = Conversation { prompt: vec![50], reply: vec![2], ..reply.clone() };
    for conversation in [reply.clone(), prompt] {
        let error = annotator(100, 8).annotate(&[corpus(2), vec![conversation]].concat(), 0, &mut model).unwrap_err();
        let LabelError::Token { id, token: 50, size: found } = &error else { panic!("{error}") };
        assert_eq!((&id[..], *found), ("odd", size));
    }
    let empty = Conversation { prompt: vec![], ..reply };
    let error = annotator(100, 8).annotate(&[empty], 0, &mut model).unwrap_err();
    assert!(matches!(&error, LabelError::EmptyPrompt { id } if id == "odd"), "{error}");
    assert!(model.calls.is_empty());
}
