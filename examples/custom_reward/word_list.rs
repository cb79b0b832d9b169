//! A reward of your own, whole: no tensor, nothing but the traits of `saffron-core`.

use saffron_core::{Candidates, ChildReward, ModelError, MultifurcationRewardModel, Reply, Session, Token};

/// Rewards a response by the listed words in it: each counts −1. Asks no model, so that it costs
/// nothing on the meter.
#[derive(Clone, Debug)]
pub(crate) struct WordList {
    words: Vec<String>,
}

impl WordList {
    pub(crate) fn new(words: &[String]) -> Self {
        Self { words: words.iter().map(|word| word.to_lowercase()).collect() }
    }

    fn reward(&self, session: &Session, response: &[Token]) -> Result<f32, ModelError> {
        let text = session.vocabulary().decode(response);
        let text = text.map_err(|error| ModelError::other("reading a response", error))?.to_lowercase();
        let found: usize = self.words.iter().map(|word| text.matches(word.as_str()).count()).sum();
        Ok(0.0 - found as f32)
    }

    /// One reward a candidate: that of the response with the candidate appended.
    fn children(&self, session: &Session, candidates: &Candidates) -> Result<Vec<ChildReward>, ModelError> {
        let child = |token| self.reward(session, &[session.response(), &[token]].concat()).map(ChildReward::Seen);
        candidates.tokens().map(child).collect()
    }
}

impl MultifurcationRewardModel for WordList {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let pairs = sessions.iter().zip(candidates);
        let rewards = pairs.map(|(session, candidates)| self.children(session, candidates));
        Ok(Reply::free(rewards.collect::<Result<_, _>>()?, sessions.len()))
    }

    fn describe(&self) -> String {
        format!("−1 for each of {}", self.words.join(", "))
    }
}
