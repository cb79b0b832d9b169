//! The reference implementation's rules, with every order made stable.

use saffron_core::{Child, NodeId, NodeState, SearchContext, SearchError, Step, StopReason};

use super::{Entry, Saffron, pool, top};
use crate::strategy::PathRewards;
use crate::strategy::rank::descending_rewards;

impl Saffron {
    pub(super) fn reference_step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let (mut next, parents) = self.split(cx)?;
        let scored = cx.score_children(&parents)?;
        let end_tokens = cx.settings().filter.end_tokens.clone();
        let reward = |child: &Child| child.reward.seen().unwrap_or(-self.unseen_penalty);
        let pool = pool(&scored, &end_tokens, |_, child, _| Some((reward(child), PathRewards::default())));
        for parent in parents.iter().filter(|parent| !pool.iter().any(|pooled| pooled.parent == **parent)) {
            cx.close(*parent, StopReason::NoSeenCandidate)?;
        }
        for pooled in top(pool, self.width) {
            let node = cx.grow(pooled.parent, pooled.child)?;
            // Only a finished sequence keeps its reward; all others count as −∞ for ever.
            next.push(Entry::new(node, pooled.ends.then_some(pooled.score)));
        }
        next.sort_by(|a, b| descending_rewards(a.score, b.score));
        let kept = next.len().min(self.width);
        for entry in next.drain(kept..) {
            if cx.tree().state(entry.node)? == NodeState::Open {
                cx.close(entry.node, StopReason::Pruned)?;
            }
        }
        for parent in cx.open().iter().filter(|node| parents.contains(node)) {
            cx.close(*parent, StopReason::Pruned)?;
        }
        self.state.beam = next;
        if let Some(first) = self.state.beam.first() {
            cx.answer(first.node)?;
        }
        cx.level(&self.state.beam.iter().map(Entry::shown).collect::<Vec<_>>())?;
        let done = self.state.level >= cx.settings().max_new_tokens;
        Ok(if done { Step::Done } else { Step::Continue })
    }

    /// The beam's finished sequences, and its open ones, each in beam order.
    fn split(&self, cx: &SearchContext<'_>) -> Result<(Vec<Entry>, Vec<NodeId>), SearchError> {
        let (mut finished, mut open) = (Vec::new(), Vec::new());
        for entry in &self.state.beam {
            match cx.tree().state(entry.node)? {
                NodeState::Ended(_) => finished.push(*entry),
                NodeState::Open | NodeState::Inner => open.push(entry.node),
            }
        }
        Ok((finished, open))
    }
}
