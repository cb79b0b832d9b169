//! Why candidates were passed over and nodes ended, in words.

use std::fmt;

use saffron_core::{NodeId, StopReason};

use super::text::number;
use super::{SearchTreeView, TreeNode};
use crate::trace::ShownCandidate;

/// Why a candidate was not taken.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Passed {
    /// The reward model has not seen it.
    Unseen,
    /// Every sequence that was taken into the beam in that step had a greater reward; `cut` is the lowest of these.
    BelowCut {
        /// The candidate's reward.
        reward: f32,
        /// The beam's cut.
        cut: f32,
    },
    /// It had the lowest reward of the beam; others that had it too came first.
    AtCut {
        /// Both.
        reward: f32,
    },
    /// The strategy did not take it, for reasons of its own.
    NotTaken {
        /// The candidate's reward.
        reward: f32,
    },
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unseen => f.write_str("unseen by the reward model"),
            Self::BelowCut { reward, cut } => {
                write!(f, "reward {} below the beam's cut {}", number(*reward), number(*cut))
            }
            Self::AtCut { reward } => {
                write!(f, "reward {} at the beam's cut, where others came first", number(*reward))
            }
            Self::NotTaken { reward } => write!(f, "reward {}, not taken by the strategy", number(*reward)),
        }
    }
}

/// A candidate that no node was grown of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassedOver {
    /// The candidate.
    pub candidate: ShownCandidate,
    /// Why.
    pub why: Passed,
}

impl SearchTreeView {
    /// The shown candidates of a node that were not taken, by falling reward, unseen ones last.
    #[must_use]
    pub fn passed_over(&self, id: NodeId) -> Vec<PassedOver> {
        let Some((node, scored)) = self.node(id).and_then(|node| Some((node, node.scored.as_ref()?))) else {
            return Vec::new();
        };
        let left = scored.by_reward().into_iter().filter(|candidate| self.child_of(node, candidate).is_none());
        left.map(|candidate| PassedOver { candidate, why: self.passed(node, &candidate) }).collect()
    }

    /// The first child that was grown of a candidate.
    pub(super) fn child_of(&self, node: &TreeNode, candidate: &ShownCandidate) -> Option<NodeId> {
        let has_token = |id: &&NodeId| self.node(**id).is_some_and(|child| child.token == Some(candidate.token));
        node.children.iter().find(has_token).copied()
    }

    fn passed(&self, node: &TreeNode, candidate: &ShownCandidate) -> Passed {
        candidate.reward.seen().map_or(Passed::Unseen, |reward| self.against_cut(reward, node.scored_step))
    }

    fn against_cut(&self, reward: f32, step: usize) -> Passed {
        match self.cut(step) {
            Some(cut) if reward < cut => Passed::BelowCut { reward, cut },
            Some(cut) if reward <= cut => Passed::AtCut { reward },
            _ => Passed::NotTaken { reward },
        }
    }

    /// The lowest reward that a sequence was taken into the beam with, in a step.
    #[must_use]
    pub fn cut(&self, step: usize) -> Option<f32> {
        self.cuts.get(step).copied().flatten()
    }

    /// Why a node has no children, in words; none while it may still grow, and for nodes that were continued.
    #[must_use]
    pub fn why_ended(&self, id: NodeId) -> Option<String> {
        let node = self.node(id)?;
        match (node.stop, &self.outcome) {
            (Some(StopReason::Pruned), _) => Some(self.why_pruned(node)),
            (Some(stop), _) => Some(stop.to_string()),
            (None, Some(outcome)) if node.children.is_empty() => {
                Some(format!("still open when the search ended: {}", outcome.stop))
            }
            (None, _) => None,
        }
    }

    fn why_pruned(&self, node: &TreeNode) -> String {
        let pruned = StopReason::Pruned;
        let Some(scored) = &node.scored else {
            return node
                .reward
                .map_or(pruned.to_string(), |reward| format!("{pruned}: {}", self.against_cut(reward, node.step)));
        };
        match scored.by_reward().first() {
            None if scored.considered == 0 => format!("{pruned}: it had no candidates"),
            _ if scored.unseen == scored.considered => {
                format!("{pruned}: all {} candidates unseen by the reward model", scored.considered)
            }
            None => pruned.to_string(),
            Some(best) => format!("{pruned}: best of {} candidates has {}", scored.considered, self.passed(node, best)),
        }
    }
}
