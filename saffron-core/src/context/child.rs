//! Scored candidates.

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
    /// The seen candidate of highest reward; among equals the more probable, then the lower token id. None if all are unseen.
    #[must_use]
    pub fn best(&self) -> Option<Child> {
        let seen = self.ranked.iter().filter_map(|child| child.reward.seen().map(|reward| (reward, child)));
        seen.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, child)| *child)
    }
}
