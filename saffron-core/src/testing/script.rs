//! A reward model with explicit rewards.

use std::collections::BTreeMap;

use super::table_policy::work_from_scratch;
use crate::candidates::Candidates;
use crate::error::ModelError;
use crate::reply::Reply;
use crate::reward::{ChildReward, MultifurcationRewardModel, OutcomeRewardModel, ProcessRewardModel};
use crate::session::Session;
use crate::token::{Token, TokenSet};

/// Rewards looked up by the response, unseen tokens included. Serves as every kind of reward model, so that strategies can be
/// compared over the same rewards.
///
/// ```
/// use saffron_core::testing::ScriptedReward;
/// use saffron_core::{PlainVocabulary, ProcessRewardModel, Session};
/// let mut reward = ScriptedReward::new(0.5).with(vec![3], -2.0);
/// let session = Session::new(PlainVocabulary::shared(4), vec![1])?.with_response(vec![3])?;
/// assert_eq!(reward.process_rewards(&[session])?.value, [-2.0]);
/// # Ok::<(), saffron_core::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScriptedReward {
    default: f32,
    rewards: BTreeMap<Vec<Token>, f32>,
    unseen: TokenSet,
}

impl ScriptedReward {
    /// The same reward for every response.
    #[must_use]
    pub fn new(default: f32) -> Self {
        Self { default, rewards: BTreeMap::new(), unseen: TokenSet::new(0) }
    }

    /// Another reward for one response.
    #[must_use]
    pub fn with(mut self, response: Vec<Token>, reward: f32) -> Self {
        self.rewards.insert(response, reward);
        self
    }

    /// Tokens that the multifurcation reward model has not seen.
    #[must_use]
    pub fn with_unseen(mut self, unseen: TokenSet) -> Self {
        self.unseen = unseen;
        self
    }

    fn reward(&self, response: &[Token]) -> f32 {
        self.rewards.get(response).copied().unwrap_or(self.default)
    }
}

impl ProcessRewardModel for ScriptedReward {
    fn process_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        let value = sessions.iter().map(|session| self.reward(session.response())).collect();
        Ok(Reply { value, work: sessions.iter().map(|session| work_from_scratch(length(session))).collect() })
    }
}

impl OutcomeRewardModel for ScriptedReward {
    fn outcome_rewards(&mut self, sessions: &[Session]) -> Result<Reply<Vec<f32>>, ModelError> {
        self.process_rewards(sessions)
    }
}

impl MultifurcationRewardModel for ScriptedReward {
    fn child_rewards(
        &mut self,
        sessions: &[Session],
        candidates: &[Candidates],
    ) -> Result<Reply<Vec<Vec<ChildReward>>>, ModelError> {
        let child = |session: &Session, token: Token| {
            if self.unseen.contains(token) {
                return ChildReward::Unseen;
            }
            ChildReward::Seen(self.reward(&[session.response(), &[token]].concat()))
        };
        let pairs = sessions.iter().zip(candidates);
        let value = pairs.map(|(session, list)| list.tokens().map(|token| child(session, token)).collect()).collect();
        Ok(Reply { value, work: sessions.iter().map(|session| work_from_scratch(length(session))).collect() })
    }

    fn describe(&self) -> String {
        String::from("scripted rewards")
    }
}

fn length(session: &Session) -> usize {
    session.prompt().len() + session.response().len()
}
