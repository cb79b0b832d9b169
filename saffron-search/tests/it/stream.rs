//! Tokens told while a search runs are those of the answer it ends with.

use std::ops::ControlFlow;
use std::sync::Arc;

use saffron_core::testing::{ScriptedReward, TablePolicy};
use saffron_core::{
    BeamEntry, Level, NodeId, PlainVocabulary, SearchObserver, Token, Vocabulary, VocabularyError, VocabularyId,
};
use saffron_search::stream::{CertainText, CertainTokens};
use saffron_search::{Saffron, Searcher};

use crate::worlds::{scattered, session, uniform};

/// Breaks the search after so many levels.
struct After(usize);

impl SearchObserver for After {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        if level.index >= self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn a_beam_tells_what_its_sequences_share() {
    // Rewards part the beam at the first token, and put it together again behind the second sequence's.
    let mut policy = TablePolicy::new(vec![0.0, 1.0, 1.5], vec![0]);
    let mut reward = ScriptedReward::new(-5.0)
        .with(vec![1], 1.0)
        .with(vec![2], 2.0)
        .with(vec![1, 1], 4.0)
        .with(vec![1, 2], 3.0)
        .with(vec![1, 1, 1], 6.0)
        .with(vec![1, 1, 2], 5.0);
    let session = policy.session(&[1, 2]).unwrap();
    let mut told: Vec<Vec<Token>> = Vec::new();
    let mut stream = CertainTokens::new(|tokens: &[Token]| told.push(tokens.to_vec()));
    let searcher = Searcher::new(Saffron::paper(2)).top_p(1.0).min_new_tokens(16).max_new_tokens(3);
    let outcome = searcher.run_observed(&session, &mut policy, &mut reward, &mut stream).unwrap();
    assert_eq!(outcome.best.tokens, [1, 1, 1]);
    // Level 1 holds 2 and 1, level 2 holds 1 1 and 1 2, level 3 holds 1 1 1 and 1 1 2.
    assert_eq!(told, [vec![1], vec![1, 1], vec![1, 1, 1]]);
}

#[test]
fn whatever_was_told_begins_the_answer_also_of_a_search_that_is_stopped() {
    let mut early = 0;
    for (width, levels, least) in (1..=4).flat_map(|width| (1..=6).flat_map(move |l| [(width, l, 0), (width, l, 4)])) {
        let (mut policy, mut reward) = (uniform(), scattered(5, &[]));
        let mut told: Vec<Vec<Token>> = Vec::new();
        let stream = CertainTokens::new(|tokens: &[Token]| told.push(tokens.to_vec()));
        let searcher = Searcher::new(Saffron::paper(width)).top_p(1.0).min_new_tokens(least).max_new_tokens(5);
        let mut watching = (stream, After(levels));
        let outcome = searcher.run_observed(&session(&policy), &mut policy, &mut reward, &mut watching).unwrap();
        assert!(told.iter().all(|tokens| outcome.best.tokens.starts_with(tokens)), "{told:?} {outcome:?}");
        assert_eq!(told.last(), Some(&outcome.best.tokens), "the whole answer is told in the end");
        early += usize::from(told.len() > 1);
    }
    assert!(early >= 8, "only {early} of 48 searches told anything before their end");
}

/// Every token is a byte.
#[derive(Debug)]
struct Bytes;

impl Vocabulary for Bytes {
    fn id(&self) -> VocabularyId {
        PlainVocabulary::new(256).id()
    }

    fn size(&self) -> usize {
        256
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        let bytes: Vec<u8> = tokens.iter().map(|token| *token as u8).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A level whose beam holds these texts.
fn level(index: usize, beam: &[&[u8]]) -> Level {
    let tokens = |text: &&[u8]| text.iter().map(|byte| Token::from(*byte)).collect();
    let entry = |text| BeamEntry { node: NodeId::ROOT, tokens: tokens(text), reward: None, stop: None };
    Level { index, beam: beam.iter().map(entry).collect() }
}

#[test]
fn text_is_told_in_whole_characters() {
    let mut told = Vec::new();
    let mut stream = CertainText::new(Arc::new(Bytes), |piece: &str| told.push(piece.to_owned()));
    let e = "é".as_bytes();
    for (index, beam) in [&b"a"[..], &[b'a', e[0]], &[b'a', e[0], e[1]]].into_iter().enumerate() {
        assert!(stream.on_level(&level(index, &[beam])).is_continue());
    }
    assert_eq!(stream.into_text(), "aé");
    assert_eq!(told, ["a", "é"]);
}

#[test]
fn text_is_told_once_its_sequences_share_it_and_never_taken_back() {
    let mut told = Vec::new();
    let mut stream = CertainText::new(Arc::new(Bytes), |piece: &str| told.push(piece.to_owned()));
    let beams: [&[&[u8]]; 4] = [&[b"ab", b"ac"], &[b"abc", b"abd"], &[b"xyzxyz"], &[b"abcd"]];
    for (index, beam) in beams.into_iter().enumerate() {
        assert!(stream.on_level(&level(index, beam)).is_continue());
    }
    assert_eq!(stream.into_text(), "abcd");
    assert_eq!(told, ["a", "b", "cd"]);
}
