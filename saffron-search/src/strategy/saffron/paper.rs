//! Eq. 2, 3 and 7 of the paper, with the rules it leaves open filled in.

use saffron_core::{Child, Children, NodeId, SearchContext, SearchError, Step, StopReason, Token};

use super::{Adaptive, DeadEnd, Entry, Pooled, Saffron, pool, top};
use crate::strategy::PathRewards;
use crate::strategy::rank::descending_rewards;
use crate::strategy::steps::prune;

impl Saffron {
    pub(super) fn paper_step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let parents: Vec<NodeId> = self.state.beam.iter().map(|entry| entry.node).collect();
        let scored = cx.score_children(&parents)?;
        let end_tokens: Vec<Token> = cx.settings().filter.end_tokens.clone();
        let pool: Vec<Pooled> = scored.iter().flat_map(|children| self.paper_pool(children, &end_tokens)).collect();
        if pool.is_empty() {
            return self.dead_end(cx);
        }
        for parent in parents.iter().filter(|parent| !pool.iter().any(|pooled| pooled.parent == **parent)) {
            cx.close(*parent, StopReason::NoSeenCandidate)?;
        }
        self.advance(cx, &parents, &top(pool, self.width_now()))
    }

    /// The candidates of a sequence. Where none is seen, and the options say so, the policy's favourite keeps the sequence's score; the root has none,
    /// which counts as 0.
    fn paper_pool(&self, scored: &(NodeId, Children), end_tokens: &[Token]) -> Vec<Pooled> {
        let seen =
            pool(std::slice::from_ref(scored), end_tokens, |parent, child, ends| self.paper_score(parent, child, ends));
        if !seen.is_empty() || self.options.dead_end == DeadEnd::Ends {
            return seen;
        }
        let (parent, children) = scored;
        let path =
            self.state.beam.iter().find(|entry| entry.node == *parent).map(|entry| entry.path).unwrap_or_default();
        let score = self.options.score.of(&path).unwrap_or_default();
        let favourite = children.ranked.first().map(|child| (*child, end_tokens.contains(&child.token)));
        favourite.map(|(child, ends)| Pooled { parent: *parent, child, score, path, ends }).into_iter().collect()
    }

    /// The score of the path with a seen token's own reward. An unseen token is no candidate, unless it ends the sequence: then it
    /// scores what its parent last scored.
    fn paper_score(&self, parent: NodeId, child: &Child, ends: bool) -> Option<(f32, PathRewards)> {
        let parent = self.state.beam.iter().find(|entry| entry.node == parent)?;
        let path = match child.reward.seen() {
            Some(reward) => parent.path.then(Some(self.options.step(reward, child.logprob))),
            None if ends => parent.path,
            None => return None,
        };
        self.options.score.of(&path).map(|score| (score, path))
    }

    /// One sequence while the best has been clearly safe for long enough, if the options say so.
    fn width_now(&self) -> usize {
        let narrow = |adaptive: Adaptive| self.state.safe_levels >= adaptive.levels;
        if self.options.adaptive.is_some_and(narrow) { 1 } else { self.width }
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
            list.push(Entry { node, score: Some(pooled.score), path: pooled.path });
        }
        for parent in cx.open().iter().filter(|node| parents.contains(node)) {
            cx.close(*parent, StopReason::Pruned)?;
        }
        self.state.beam = open;
        let full = self.state.beam.is_empty() || self.state.level >= cx.settings().max_new_tokens;
        let done = full || self.is_safe_enough(cx)?;
        self.show(cx)?;
        Ok(if done { Step::Done } else { Step::Continue })
    }

    /// Counts clearly safe levels; a clearly safe answer that is finished ends the search.
    fn is_safe_enough(&mut self, cx: &mut SearchContext<'_>) -> Result<bool, SearchError> {
        let Some(Adaptive { safe, .. }) = self.options.adaptive else { return Ok(false) };
        let clearly = |entry: &Entry| entry.score.is_some_and(|score| score >= safe);
        self.state.safe_levels = if self.state.beam.iter().any(clearly) { self.state.safe_levels + 1 } else { 0 };
        let enough = self.state.finished.iter().any(clearly);
        if enough {
            self.state.beam.clear();
            prune(cx, &[])?;
        }
        Ok(enough)
    }

    /// No sequence has a candidate left.
    fn dead_end(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        self.answer(cx)?;
        for entry in &self.state.beam {
            cx.close(entry.node, StopReason::NoSeenCandidate)?;
        }
        cx.stop(StopReason::NoSeenCandidate);
        Ok(Step::Done)
    }

    fn show(&mut self, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
        self.answer(cx)?;
        cx.level(&self.state.finished.iter().chain(&self.state.beam).map(Entry::shown).collect::<Vec<_>>())
    }

    /// The answer is the best of the finished and the open sequences by score; an ended search has open ones only at its limit.
    /// Among equals the finished come first, then beam order.
    fn answer(&self, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
        let mut ranked = [&self.state.finished[..], &self.state.beam[..]].concat();
        ranked.sort_by(|a, b| descending_rewards(a.score, b.score));
        ranked.first().map_or(Ok(()), |entry| cx.answer(entry.node))
    }
}
