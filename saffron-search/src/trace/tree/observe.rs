//! How the view grows.

use std::ops::ControlFlow;
use std::time::Duration;

use saffron_core::{
    BeamEntry, Candidates, ChildReward, Level, NodeId, Outcome, SearchObserver, SearchStart, TreeChange,
};

use super::{BeamPlace, SearchTreeView, TreeNode};
use crate::trace::{ScoreSummary, SummaryObserver};

impl SearchObserver for SearchTreeView {
    fn on_start(&mut self, start: &SearchStart) {
        *self = Self::with_candidates(self.candidates);
        self.start = Some(start.clone());
    }

    fn on_score(&mut self, node: NodeId, candidates: &Candidates, rewards: &[ChildReward]) {
        self.keep(ScoreSummary::new(node, candidates, rewards, self.candidates));
    }

    fn on_change(&mut self, change: &TreeChange) {
        match *change {
            TreeChange::Grown { node, parent, token, logprob, reward } => {
                let grown = TreeNode { token: Some(token), logprob, reward: finite(reward), ..TreeNode::root() };
                self.grow(node, parent, grown);
            }
            TreeChange::Rated { node, reward } => {
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.reward = finite(Some(reward));
                }
            }
            TreeChange::Ended { node, stop } => {
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.stop = Some(stop);
                }
            }
        }
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        let taken = level.beam.iter().filter_map(|entry| self.taken_with(entry));
        let cut = taken.reduce(|lowest, next| if next < lowest { next } else { lowest });
        self.cuts.push(cut);
        for (place, entry) in level.beam.iter().enumerate() {
            if let Some(node) = self.nodes.get_mut(&entry.node) {
                node.places.push(BeamPlace { level: level.index, place, reward: finite(entry.reward) });
            }
        }
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        let mut outcome = outcome.clone();
        for share in [&mut outcome.usage.policy, &mut outcome.usage.reward, &mut outcome.usage.judge] {
            share.wall = Duration::ZERO;
        }
        for found in outcome.beam.iter_mut().chain([&mut outcome.best]) {
            found.reward = finite(found.reward);
        }
        outcome.verdict.reward = finite(outcome.verdict.reward);
        self.outcome = Some(outcome);
    }
}

impl SummaryObserver for SearchTreeView {
    fn on_summary(&mut self, summary: &ScoreSummary) {
        self.keep(summary.narrowed(self.candidates));
    }
}

impl SearchTreeView {
    /// Adds a node below one that is known. A node that is known already stays as it is.
    fn grow(&mut self, id: NodeId, parent: NodeId, grown: TreeNode) {
        if self.nodes.contains_key(&id) {
            return;
        }
        let step = self.cuts.len();
        if let Some(above) = self.nodes.get_mut(&parent) {
            above.children.push(id);
            let depth = above.depth + 1;
            self.nodes.insert(id, TreeNode { parent: Some(parent), depth, step, ..grown });
        }
    }

    fn keep(&mut self, summary: ScoreSummary) {
        let step = self.cuts.len();
        let Some(node) = self.nodes.get_mut(&summary.node) else { return };
        if node.scored.as_ref().is_none_or(|kept| kept.considered < summary.considered) {
            node.scored = Some(summary);
            node.scored_step = step;
        }
    }

    /// The reward that a sequence of the beam was taken with in the step that is ending; none if it is older.
    fn taken_with(&self, entry: &BeamEntry) -> Option<f32> {
        let node = self.nodes.get(&entry.node).filter(|node| node.step == self.cuts.len() && node.parent.is_some())?;
        node.reward.or(finite(entry.reward))
    }
}

fn finite(reward: Option<f32>) -> Option<f32> {
    reward.filter(|value| value.is_finite())
}
