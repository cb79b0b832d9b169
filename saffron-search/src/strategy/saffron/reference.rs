//! The reference implementation's rules, with every order made stable.

use saffron_core::{NodeId, NodeState, SearchContext, SearchError, Step, StopReason};

use super::{Saffron, descending, pool, top};

impl Saffron {
    pub(super) fn reference_step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let (mut next, parents) = self.split(cx)?;
        let scored = cx.score_children(&parents)?;
        let end_tokens = cx.settings().filter.end_tokens.clone();
        let pool = pool(&scored, &end_tokens, |_, child, _| Some(child.reward.seen().unwrap_or(-self.unseen_penalty)));
        for pooled in top(pool, self.width) {
            let node = cx.grow(pooled.parent, pooled.child)?;
            // Only a finished sequence keeps its reward; all others count as −∞ for ever.
            next.push((node, pooled.ends.then_some(pooled.score)));
        }
        next.sort_by(|a, b| descending(a.1.unwrap_or(f32::NEG_INFINITY), b.1.unwrap_or(f32::NEG_INFINITY)));
        let kept = next.len().min(self.width);
        for (node, _) in next.drain(kept..) {
            if cx.tree().state(node)? == NodeState::Open {
                cx.close(node, StopReason::Pruned)?;
            }
        }
        for parent in cx.open().iter().filter(|node| parents.contains(node)) {
            cx.close(*parent, StopReason::Pruned)?;
        }
        self.state.beam = next;
        if let Some((first, _)) = self.state.beam.first() {
            cx.answer(*first)?;
        }
        cx.level(&self.state.beam)?;
        let done = self.state.level >= cx.settings().max_new_tokens;
        Ok(if done { Step::Done } else { Step::Continue })
    }

    /// The beam's finished sequences with their rewards, and its open ones, each in beam order.
    #[allow(clippy::type_complexity, reason = "a pair used once")]
    fn split(&self, cx: &SearchContext<'_>) -> Result<(Vec<(NodeId, Option<f32>)>, Vec<NodeId>), SearchError> {
        let (mut finished, mut open) = (Vec::new(), Vec::new());
        for (node, reward) in &self.state.beam {
            match cx.tree().state(*node)? {
                NodeState::Ended(_) => finished.push((*node, *reward)),
                NodeState::Open | NodeState::Inner => open.push(*node),
            }
        }
        Ok((finished, open))
    }
}
