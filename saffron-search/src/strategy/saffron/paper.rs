//! Eq. 2, 3 and 7 of the paper, with the rules it leaves open filled in.

use saffron_core::{Child, NodeId, SearchContext, SearchError, Step, StopReason, Token};

use super::{Pooled, Saffron, descending, pool, top};

impl Saffron {
    pub(super) fn paper_step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let parents: Vec<NodeId> = self.state.beam.iter().map(|(node, _)| *node).collect();
        let scored = cx.score_children(&parents)?;
        let end_tokens: Vec<Token> = cx.settings().filter.end_tokens.clone();
        let pool = pool(&scored, &end_tokens, |parent, child, ends| self.paper_score(parent, child, ends));
        if pool.is_empty() {
            return self.dead_end(cx);
        }
        for parent in parents.iter().filter(|parent| !pool.iter().any(|pooled| pooled.parent == **parent)) {
            cx.close(*parent, StopReason::NoSeenCandidate)?;
        }
        self.advance(cx, &parents, &top(pool, self.width))
    }

    /// A seen token's own reward. An unseen token is no candidate, unless it ends the sequence: then it scores what its parent
    /// last scored.
    fn paper_score(&self, parent: NodeId, child: &Child, ends: bool) -> Option<f32> {
        let parents = || self.state.beam.iter().find(|(node, _)| *node == parent).and_then(|(_, reward)| *reward);
        child.reward.seen().or_else(|| if ends { parents() } else { None })
    }

    /// Takes the chosen children: finished ones leave the beam, the others are the new beam.
    fn advance(
        &mut self,
        cx: &mut SearchContext<'_>,
        parents: &[NodeId],
        chosen: &[Pooled],
    ) -> Result<Step, SearchError> {
        let mut open = Vec::with_capacity(chosen.len());
        for pooled in chosen {
            let node = cx.grow(pooled.parent, pooled.child)?;
            let list = if pooled.ends { &mut self.state.finished } else { &mut open };
            list.push((node, Some(pooled.score)));
        }
        for parent in cx.open().iter().filter(|node| parents.contains(node)) {
            cx.close(*parent, StopReason::Pruned)?;
        }
        self.state.beam = open;
        let done = self.state.beam.is_empty() || self.state.level >= cx.settings().max_new_tokens;
        self.show(cx)?;
        Ok(if done { Step::Done } else { Step::Continue })
    }

    /// No sequence has a candidate left.
    fn dead_end(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        self.answer(cx)?;
        for (node, _) in &self.state.beam {
            cx.close(*node, StopReason::NoSeenCandidate)?;
        }
        cx.stop(StopReason::NoSeenCandidate);
        Ok(Step::Done)
    }

    fn show(&mut self, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
        self.answer(cx)?;
        cx.level(&[&self.state.finished[..], &self.state.beam[..]].concat())
    }

    /// The answer is the best of the finished and the open sequences by last reward; an ended search has open ones only at its limit.
    /// Among equals the finished come first, then beam order.
    fn answer(&self, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
        let mut ranked = [&self.state.finished[..], &self.state.beam[..]].concat();
        ranked.sort_by(|a, b| descending(a.1.unwrap_or(f32::NEG_INFINITY), b.1.unwrap_or(f32::NEG_INFINITY)));
        ranked.first().map_or(Ok(()), |(node, _)| cx.answer(*node))
    }
}
