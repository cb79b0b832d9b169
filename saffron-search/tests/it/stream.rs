//! Tokens told while a search runs are those of the answer it ends with.

use std::ops::ControlFlow;

use saffron_core::testing::{ScriptedReward, TablePolicy};
use saffron_core::{Level, SearchObserver, Token};
use saffron_search::stream::CertainTokens;
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
