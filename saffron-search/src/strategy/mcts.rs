//! Monte-Carlo tree search over tokens with PUCT (Silver et al. 2017, AlphaZero, arXiv 1712.01815; for decoding Liu et al. 2023, PPO-MCTS,
//! arXiv 2309.15028), optionally with greedy lookahead.

mod edges;

use std::collections::BTreeMap;

use saffron_core::{
    CandidateFilter, Child, ConfigError, NodeId, NodeState, SearchContext, SearchError, SearchStrategy, Step,
    StopReason, Ties,
};

use self::edges::{Bounds, Edges};
use super::deal::look_ahead;
use super::walk::unrated;

/// For every token of the answer, `simulations` walks down the tree; then the child that was visited most is taken.
///
/// A walk goes to the child of highest `Q + c · P · √N / (1 + n)`: Q its mean value, scaled to [0, 1] by the lowest and highest value
/// seen so far (Schrittwieser et al. 2020, MuZero, App. B), P its probability among the candidates, N and n the visits of parent and child.
/// At a node that no walk has reached before it asks for the candidates. Without lookahead they are rewarded at once (one call of a multifurcation
/// reward model, one a candidate of any other), each reward is a child's first value, and the best of them is what the walk found; with lookahead it
/// is the reward after so many of the policy's most probable tokens. What was found is entered all the way up.
#[derive(Clone, Debug, PartialEq)]
pub struct Mcts {
    simulations: usize,
    exploration: f32,
    lookahead: usize,
    root: NodeId,
    edges: BTreeMap<NodeId, Edges>,
    bounds: Bounds,
}

impl Mcts {
    /// `simulations` a token, exploration constant 1.25 (MuZero's), no lookahead.
    #[must_use]
    pub fn puct(simulations: usize) -> Self {
        let (edges, bounds) = (BTreeMap::new(), Bounds::default());
        Self { simulations, exploration: 1.25, lookahead: 0, root: NodeId::ROOT, edges, bounds }
    }

    /// The same with another exploration constant.
    #[must_use]
    pub fn with_exploration(mut self, exploration: f32) -> Self {
        self.exploration = exploration;
        self
    }

    /// The same with lookahead, in tokens.
    #[must_use]
    pub fn with_lookahead(mut self, lookahead: usize) -> Self {
        self.lookahead = lookahead;
        self
    }

    /// One walk: down to a new node or an ended one, and back with what it found.
    fn simulate(&mut self, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
        let mut path: Vec<(NodeId, usize)> = Vec::new();
        let mut at = self.root;
        while let Some(edges) = self.edges.get(&at) {
            let Some(place) = edges.select(self.exploration, &self.bounds) else { break };
            path.push((at, place));
            at = self.follow(cx, at, place)?;
        }
        let value = self.evaluate(cx, at)?;
        if let Some(value) = value {
            self.bounds.enter(value);
        }
        for (node, place) in path {
            if let Some(edges) = self.edges.get_mut(&node) {
                edges.visit(place, value);
            }
        }
        Ok(())
    }

    /// The node at the end of an edge, grown when it is first walked to.
    fn follow(&mut self, cx: &mut SearchContext<'_>, from: NodeId, place: usize) -> Result<NodeId, SearchError> {
        let Some(edge) = self.edges.get_mut(&from).and_then(|edges| edges.list.get_mut(place)) else { return Ok(from) };
        if let Some(node) = edge.node {
            return Ok(node);
        }
        let node = cx.grow(from, edge.child)?;
        edge.node = Some(node);
        Ok(node)
    }

    /// What a walk finds at its end; none where the reward model has nothing to say.
    fn evaluate(&mut self, cx: &mut SearchContext<'_>, node: NodeId) -> Result<Option<f32>, SearchError> {
        if matches!(cx.tree().state(node)?, NodeState::Ended(_)) || self.edges.contains_key(&node) {
            return Ok(cx.rate(&[node])?[0]);
        }
        if self.lookahead == 0 { self.expand_scored(cx, node) } else { self.expand_ahead(cx, node) }
    }

    fn expand_scored(&mut self, cx: &mut SearchContext<'_>, node: NodeId) -> Result<Option<f32>, SearchError> {
        let end_tokens = cx.settings().filter.end_tokens.clone();
        let before = cx.tree().reward(node)?;
        let mut children = Vec::new();
        for (_, scored) in cx.score_children(&[node])? {
            // What is unseen cannot be taken, unless it ends the sequence: that has the reward of what it ends.
            let usable =
                |child: &Child| child.reward.seen().is_some() || before.is_some() && end_tokens.contains(&child.token);
            children.extend(scored.ranked.into_iter().filter(usable));
        }
        let values: Vec<Option<f32>> = children.iter().map(|child| child.reward.seen().or(before)).collect();
        values.iter().flatten().for_each(|value| self.bounds.enter(*value));
        let best = values.iter().copied().flatten().reduce(f32::max);
        self.edges.insert(node, Edges::new(children, &values));
        Ok(best.or(before))
    }

    fn expand_ahead(&mut self, cx: &mut SearchContext<'_>, node: NodeId) -> Result<Option<f32>, SearchError> {
        let candidates = cx.propose(&[node])?.remove(0);
        let children: Vec<Child> = (0..candidates.len()).map(|place| unrated(&candidates, place)).collect();
        let values = vec![None; children.len()];
        self.edges.insert(node, Edges::new(children, &values));
        let end = look_ahead(cx, &[node], self.lookahead)?;
        Ok(cx.rate(&end)?[0])
    }

    /// Takes the child that was visited most and forgets the others.
    fn commit(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        let Some(place) = self.edges.get(&self.root).and_then(Edges::most_visited) else {
            cx.answer(self.root)?;
            cx.close(self.root, StopReason::NoSeenCandidate)?;
            return Ok(Step::Done);
        };
        self.root = self.follow(cx, self.root, place)?;
        cx.answer(self.root)?;
        cx.level(&[(self.root, cx.tree().reward(self.root)?)])?;
        self.prune(cx)?;
        let ended = matches!(cx.tree().state(self.root)?, NodeState::Ended(_));
        Ok(if ended { Step::Done } else { Step::Continue })
    }

    /// Ends the open nodes that do not continue the root.
    fn prune(&self, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
        for node in cx.open() {
            let mut at = Some(node);
            while let Some(inner) = at.filter(|at| *at != self.root) {
                at = cx.tree().parent(inner)?;
            }
            if at.is_none() {
                cx.close(node, StopReason::Pruned)?;
            }
        }
        Ok(())
    }
}

impl SearchStrategy for Mcts {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        let fresh = Self::puct(self.simulations).with_exploration(self.exploration);
        Box::new(fresh.with_lookahead(self.lookahead))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        for _ in 0..self.simulations {
            self.simulate(cx)?;
        }
        self.commit(cx)
    }

    fn describe(&self) -> String {
        let Self { simulations, exploration, lookahead, .. } = self;
        format!("mcts (simulations {simulations}, exploration {exploration}, lookahead {lookahead})")
    }

    fn check(&self) -> Result<(), SearchError> {
        if self.simulations == 0 {
            return Err(ConfigError::Zero { what: "simulations" }.into());
        }
        super::args::check_weight(self.exploration)
    }

    fn default_filter(&self) -> CandidateFilter {
        CandidateFilter { top_k: Some(10), ties: Ties::ByRank, ..CandidateFilter::default() }
    }
}
