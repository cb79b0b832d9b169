//! DeAL: a beam over tokens that looks ahead (Huang et al. 2024, arXiv 2402.06147, §3): each of the k most probable next tokens of a
//! sequence is continued greedily for some tokens, and `logprob + λ · reward of what that leads to` decides.

use saffron_core::{
    CandidateFilter, Child, NodeId, NodeState, SearchContext, SearchError, SearchStrategy, Step, StopReason, Ties,
};

use super::args::check_weight;
use super::check_width;
use super::guided::{tilted, weighed};
use super::rank::descending_rewards;
use super::steps::prune;
use super::walk::{Proposed, unrated};

/// A beam of `width` sequences with lookahead. Without lookahead a multifurcation reward model answers for all candidates of a sequence at
/// once; with it every candidate costs a reward call of its own and as many policy calls as it looks ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Deal {
    width: usize,
    lookahead: usize,
    weight: f32,
    beam: Vec<Scored>,
    finished: Vec<Scored>,
}

/// A sequence with its score; the root has none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scored {
    node: NodeId,
    score: Option<f32>,
}

impl Deal {
    /// A beam of `width` that looks `lookahead` tokens ahead, and the reward's weight λ.
    #[must_use]
    pub fn new(width: usize, lookahead: usize, weight: f32) -> Self {
        Self { width, lookahead, weight, beam: Vec::new(), finished: Vec::new() }
    }

    /// The candidates of the beam as new nodes, with their scores.
    fn expand(&self, cx: &mut SearchContext<'_>) -> Result<Vec<Scored>, SearchError> {
        let parents: Vec<NodeId> = self.beam.iter().map(|entry| entry.node).collect();
        if self.lookahead == 0 { self.expand_scored(cx, &parents) } else { self.expand_ahead(cx, &parents) }
    }

    fn expand_scored(&self, cx: &mut SearchContext<'_>, parents: &[NodeId]) -> Result<Vec<Scored>, SearchError> {
        let mut pool: Vec<(NodeId, Child, f32)> = Vec::new();
        for (parent, children) in cx.score_children(parents)? {
            let before = cx.tree().logprob(parent)?;
            let score = |child: &Child| tilted(cx, parent, child, self.weight).map(|score| before + score);
            pool.extend(children.ranked.iter().filter_map(|child| Some((parent, *child, score(child)?))));
        }
        pool.sort_by(|a, b| descending_rewards(Some(a.2), Some(b.2)));
        pool.truncate(self.width);
        let grown = pool
            .into_iter()
            .map(|(parent, child, score)| Ok(Scored { node: cx.grow(parent, child)?, score: Some(score) }));
        grown.collect()
    }

    fn expand_ahead(&self, cx: &mut SearchContext<'_>, parents: &[NodeId]) -> Result<Vec<Scored>, SearchError> {
        let candidates = cx.propose(parents)?;
        let mut nodes = Vec::new();
        for (parent, candidates) in parents.iter().zip(&candidates) {
            for place in 0..candidates.len() {
                nodes.push(cx.grow(*parent, unrated(candidates, place))?);
            }
        }
        let ends = look_ahead(cx, &nodes, self.lookahead)?;
        let rewards = cx.rate(&ends)?;
        let mut scored = Vec::with_capacity(nodes.len());
        for (node, reward) in nodes.into_iter().zip(rewards) {
            let logprob = cx.tree().logprob(node)?;
            scored.push(Scored { node, score: reward.map(|reward| weighed(logprob, self.weight, reward)) });
        }
        scored.retain(|entry| entry.score.is_some());
        scored.sort_by(|a, b| descending_rewards(a.score, b.score));
        scored.truncate(self.width);
        Ok(scored)
    }

    fn show(&self, cx: &mut SearchContext<'_>) -> Result<(), SearchError> {
        let mut ranked = [&self.finished[..], &self.beam[..]].concat();
        let shown: Vec<_> = ranked.iter().map(|entry| (entry.node, entry.score)).collect();
        ranked.sort_by(|a, b| descending_rewards(a.score, b.score));
        ranked.first().map_or(Ok(()), |best| cx.answer(best.node))?;
        cx.level(&shown)
    }
}

/// Where each node leads by the policy's most probable tokens: one policy call a token for all.
pub(super) fn look_ahead(
    cx: &mut SearchContext<'_>,
    nodes: &[NodeId],
    tokens: usize,
) -> Result<Vec<NodeId>, SearchError> {
    let mut ends = nodes.to_vec();
    for _ in 0..tokens {
        let mut going = Vec::new();
        for (place, end) in ends.iter().enumerate() {
            if !matches!(cx.tree().state(*end)?, NodeState::Ended(_)) {
                going.push(place);
            }
        }
        let open: Vec<NodeId> = going.iter().map(|place| ends[*place]).collect();
        let proposed = Proposed::of(cx, &open)?;
        for (place, candidates) in going.into_iter().zip(proposed.iter()) {
            if !candidates.is_empty() {
                ends[place] = cx.grow(ends[place], unrated(candidates, 0))?;
            }
        }
    }
    Ok(ends)
}

impl SearchStrategy for Deal {
    fn fresh(&self) -> Box<dyn SearchStrategy> {
        Box::new(Self::new(self.width, self.lookahead, self.weight))
    }

    fn step(&mut self, cx: &mut SearchContext<'_>) -> Result<Step, SearchError> {
        if self.beam.is_empty() {
            self.beam = vec![Scored { node: NodeId::ROOT, score: None }];
        }
        let chosen = self.expand(cx)?;
        if chosen.is_empty() {
            for entry in std::mem::take(&mut self.beam) {
                cx.close(entry.node, StopReason::NoSeenCandidate)?;
            }
            return Ok(Step::Done);
        }
        self.beam.clear();
        for entry in chosen {
            let ended = matches!(cx.tree().state(entry.node)?, NodeState::Ended(_));
            if ended { self.finished.push(entry) } else { self.beam.push(entry) }
        }
        self.show(cx)?;
        prune(cx, &self.beam.iter().map(|entry| entry.node).collect::<Vec<_>>())?;
        Ok(if self.beam.is_empty() { Step::Done } else { Step::Continue })
    }

    fn describe(&self) -> String {
        format!("deal (width {}, lookahead {}, weight {})", self.width, self.lookahead, self.weight)
    }

    fn check(&self) -> Result<(), SearchError> {
        check_width(self.width)?;
        check_weight(self.weight)
    }

    fn default_filter(&self) -> CandidateFilter {
        CandidateFilter { top_k: Some(10), ties: Ties::ByRank, ..CandidateFilter::default() }
    }
}
