//! Small worlds in which every answer can be worked out by hand or by brute force.

use std::sync::Arc;

use saffron_core::testing::{ScriptedReward, TablePolicy};
use saffron_core::{PlainVocabulary, Session, Token, TokenSet, Vocabulary, VocabularyError, VocabularyId};

/// Ids that are written as numbers, and read again.
#[derive(Debug)]
pub(crate) struct Numbers(pub(crate) usize);

impl Vocabulary for Numbers {
    fn id(&self) -> VocabularyId {
        PlainVocabulary::new(self.0).id()
    }

    fn size(&self) -> usize {
        self.0
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        PlainVocabulary::new(self.0).decode(tokens)
    }

    fn encode(&self, text: &str) -> Result<Option<Vec<Token>>, VocabularyError> {
        let ids = text.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        ids.map(Some).map_err(|source| VocabularyError { source: Box::new(source) })
    }
}

/// The uniform world whose ids have text.
pub(crate) fn written() -> TablePolicy {
    uniform().with_vocabulary(Arc::new(Numbers(4)))
}

/// Tokens 0 (ends), 1, 2, 3; every one of equal probability.
pub(crate) fn uniform() -> TablePolicy {
    TablePolicy::new(vec![0.0; 4], vec![0])
}

pub(crate) fn session(policy: &TablePolicy) -> Session {
    policy.session(&[1, 2]).unwrap()
}

/// A reward for every response up to a length, different for all of them, from nothing but the response.
pub(crate) fn scattered(max_new_tokens: usize, unseen: &[u32]) -> ScriptedReward {
    let mut rewards = ScriptedReward::new(0.0).with_unseen(set(unseen));
    let mut level: Vec<Vec<u32>> = vec![Vec::new()];
    for _ in 0..max_new_tokens {
        level = level.iter().flat_map(|stem| (0..4).map(|token| [&stem[..], &[token]].concat())).collect();
        for response in &level {
            rewards = rewards.with(response.clone(), scatter(response));
        }
    }
    rewards
}

pub(crate) fn scatter(response: &[u32]) -> f32 {
    let hash =
        response.iter().fold(17u32, |hash, token| (hash ^ (token + 1)).wrapping_mul(0x9e37_79b1).rotate_left(11));
    (hash >> 8) as f32 / (1u32 << 24) as f32 * 8.0 - 4.0
}

pub(crate) fn set(tokens: &[u32]) -> TokenSet {
    let mut set = TokenSet::new(4);
    tokens.iter().for_each(|token| assert!(set.insert(*token)));
    set
}
