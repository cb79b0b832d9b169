//! Scored candidates.

use crate::candidates::Candidates;
use crate::reward::ChildReward;
use crate::token::Token;

/// One candidate with its reward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Child {
    /// The token.
    pub token: Token,
    /// The policy's log-probability.
    pub logprob: f32,
    /// Its reward.
    pub reward: ChildReward,
}

/// The scored candidates of one node, most probable first.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// The candidates in rank order.
    pub ranked: Vec<Child>,
}

impl Children {
    /// Candidates with their rewards, one each.
    pub(crate) fn of(candidates: &Candidates, rewards: &[ChildReward]) -> Self {
        let pairs = candidates.ranked.iter().zip(rewards);
        let child = pairs.map(|(found, reward)| Child { token: found.token, logprob: found.logprob, reward: *reward });
        Self { ranked: child.collect() }
    }

    /// The seen candidate of highest reward; among equals the more probable, then the lower token id. None if all are unseen.
    #[must_use]
    pub fn best(&self) -> Option<Child> {
        let seen = self.ranked.iter().filter_map(|child| child.reward.seen().map(|reward| (reward, child)));
        seen.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, child)| *child)
    }
}
