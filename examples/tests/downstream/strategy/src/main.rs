//! A user's crate on `saffron-search` alone: a policy, a reward and a strategy of its own, and no
//! tensor.

use std::sync::Arc;

use saffron_search::prelude::*;
use saffron_search::saffron_core::{VocabularyError, VocabularyId};

const WORDS: [&str; 6] = [".", "pick", "the", "lock", "call", "locksmith"];

/// Words as tokens; the first one ends an answer.
#[derive(Debug)]
struct Words;

impl Vocabulary for Words {
    fn id(&self) -> VocabularyId {
        VocabularyId(6)
    }

    fn size(&self) -> usize {
        WORDS.len()
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        let words: Vec<&str> = tokens.iter().map(|token| WORDS[*token as usize]).collect();
        Ok(words.join(" "))
    }
}

/// What follows a word depends on that word alone.
struct Bigrams;

impl Bigrams {
    /// Logits of the next word: two that are likely, the first more so.
    fn logits(after: Token) -> [f32; 6] {
        let (first, second) = match after {
            1 | 4 => (2, 5),
            2 => (3, 5),
            3 | 5 => (0, 3),
            _ => (1, 4),
        };
        let mut logits = [-9.0; 6];
        logits[first] = 1.0;
        logits[second] = 0.5;
        logits
    }
}

impl Policy for Bigrams {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        Arc::new(Words)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        let mut proposed = Vec::new();
        for (place, session) in sessions.iter().enumerate() {
            let logits = Self::logits(session.response().last().copied().unwrap_or(0));
            proposed.push(filter.apply(&logits, session.response(), place)?);
        }
        Ok(Reply::free(proposed, sessions.len()))
    }
}

impl TextPolicy for Bigrams {
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        let place = |word: &str| WORDS.iter().position(|known| *known == word).unwrap_or(0) as Token;
        Ok(text.split_whitespace().map(place).collect())
    }
}

/// One less for every time that an answer says "pick".
struct NoPicking;

impl ProcessRewardModel for NoPicking {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let reward = |session: &Session| -(session.response().iter().filter(|token| **token == 1).count() as f32);
        Ok(Reply::free(sessions.iter().map(reward).collect(), sessions.len()))
    }
}

/// The most probable word whose reward reaches a bar; where none does, the one of highest reward.
struct FirstAbove {
    bar: f32,
}

impl SearchStrategy for FirstAbove {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self { bar: self.bar })
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        for (node, children) in cx.score_children(&cx.open())? {
            let above = |child: &&Child| child.reward.seen().is_some_and(|reward| reward >= self.bar);
            match children.ranked.iter().find(above).copied().or_else(|| children.best()) {
                Some(child) => cx.extend(node, child)?,
                None => cx.close(node, StopReason::NoSeenCandidate)?,
            }
        }
        Ok(if cx.open().is_empty() { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        format!("first above {}", self.bar)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut policy = Bigrams;
    let session = policy.session("pick the lock")?;
    let mut reward = PrmScorer(NoPicking);
    let answer = |searcher: Searcher, policy: &mut Bigrams, reward: &mut dyn ChildScorer| {
        let outcome = searcher.top_p(1.0).max_new_tokens(8).run(&session, policy, reward)?;
        Ok::<_, Box<dyn std::error::Error>>(policy.text(&outcome.best)?)
    };
    let undefended = answer(Searcher::new(Greedy), &mut policy, &mut NoReward)?;
    let defended = answer(Searcher::new(FirstAbove { bar: 0.0 }), &mut policy, &mut reward)?;
    let searched = answer(Searcher::new(Saffron::new(2)), &mut policy, &mut reward)?;
    println!("greedy: {undefended}\nfirst above 0: {defended}\nSaffron: {searched}");
    assert_eq!([undefended.as_str(), defended.as_str()], ["pick the lock", "call the lock"]);
    assert!(!searched.contains("pick"), "{searched}");
    Ok(())
}
