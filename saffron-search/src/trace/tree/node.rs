//! What the view knows of one node.

use saffron_core::{NodeId, StopReason, Token};

use crate::trace::ScoreSummary;

/// A node's place in the beam of a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamPlace {
    /// Index of the level.
    pub level: usize,
    /// Place in the beam, from 0.
    pub place: usize,
    /// The reward that the strategy kept for it.
    pub reward: Option<f32>,
}

/// A response so far.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TreeNode {
    /// The node that it continues; none for the root.
    pub parent: Option<NodeId>,
    /// The nodes that continue it, in order of creation.
    pub children: Vec<NodeId>,
    /// Its own token; none for the root.
    pub token: Option<Token>,
    /// Number of tokens from the root.
    pub depth: usize,
    /// The policy's log-probability of its own token; 0 for the root.
    pub logprob: f32,
    /// Its reward.
    pub reward: Option<f32>,
    /// Why it ended.
    pub stop: Option<StopReason>,
    /// The levels in whose beam it was.
    pub places: Vec<BeamPlace>,
    /// Number of levels that were complete when it was taken.
    pub step: usize,
    /// Its candidates, if they were rewarded. Where that happened more than once, the summary of most candidates, the first of equals.
    pub scored: Option<ScoreSummary>,
    /// Number of levels that were complete when its candidates were rewarded.
    pub scored_step: usize,
}

impl TreeNode {
    pub(super) fn root() -> Self {
        Self {
            parent: None,
            children: Vec::new(),
            token: None,
            depth: 0,
            logprob: 0.0,
            reward: None,
            stop: None,
            places: Vec::new(),
            step: 0,
            scored: None,
            scored_step: 0,
        }
    }

    /// Its reward, or what the strategy last kept for it where it has none of its own (an unseen end of sequence, say).
    #[must_use]
    pub fn shown_reward(&self) -> Option<f32> {
        self.reward.or_else(|| self.places.last().and_then(|place| place.reward))
    }

    /// Whether it was given up: pruned, or left without a candidate.
    #[must_use]
    pub fn given_up(&self) -> bool {
        matches!(self.stop, Some(StopReason::Pruned | StopReason::NoSeenCandidate))
    }
}
