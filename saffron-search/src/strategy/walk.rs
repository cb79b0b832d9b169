//! Sampling from the policy, token by token, for several sequences at once.

use rand_chacha::ChaCha8Rng;
use saffron_core::{Candidates, Child, ChildReward, NodeId, NodeState, SearchContext, SearchError, StopReason};

use super::draw::draw;

/// A sequence that is being sampled, with random numbers of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Walk {
    pub(super) node: NodeId,
    rng: ChaCha8Rng,
}

impl Walk {
    /// A walk on from a node, with the random numbers of a sample.
    pub(super) fn new(cx: &SearchContext<'_>, node: NodeId, sample: u64) -> Self {
        Self { node, rng: cx.stream(sample) }
    }

    /// The walk taken up at another node; its random numbers go on.
    pub(super) fn moved(&self, node: NodeId) -> Self {
        Self { node, rng: self.rng.clone() }
    }

    /// Whether its sequence has ended.
    pub(super) fn ended(&self, cx: &SearchContext<'_>) -> Result<bool, SearchError> {
        Ok(matches!(cx.tree().state(self.node)?, NodeState::Ended(_)))
    }

    fn take(&mut self, cx: &mut SearchContext<'_>, candidates: &Candidates) -> Result<(), SearchError> {
        let weights: Vec<f64> = candidates.ranked.iter().map(|candidate| f64::from(candidate.logprob)).collect();
        match draw(&weights, &mut self.rng) {
            Some(place) => self.node = cx.grow(self.node, unrated(candidates, place))?,
            // Nothing can follow: the sequence ends here, once for all walks that stand here.
            None if self.ended(cx)? => {}
            None => cx.close(self.node, StopReason::NoSeenCandidate)?,
        }
        Ok(())
    }
}

/// A candidate that no reward model was asked about.
pub(super) fn unrated(candidates: &Candidates, place: usize) -> Child {
    let candidate = candidates.ranked[place];
    Child { token: candidate.token, logprob: candidate.logprob, reward: ChildReward::Unseen }
}

/// The candidates of nodes, each asked for once however often it stands in the list.
pub(super) fn propose_distinct(cx: &mut SearchContext<'_>, nodes: &[NodeId]) -> Result<Vec<Candidates>, SearchError> {
    let mut distinct: Vec<NodeId> = Vec::new();
    let mut place_of = |node: &NodeId| {
        distinct.iter().position(|other| other == node).unwrap_or_else(|| {
            distinct.push(*node);
            distinct.len() - 1
        })
    };
    let places: Vec<usize> = nodes.iter().map(&mut place_of).collect();
    let candidates = cx.propose(&distinct)?;
    Ok(places.into_iter().map(|place| candidates[place].clone()).collect())
}

/// One more token for each of the walks at these places, in one policy call.
pub(super) fn walk(cx: &mut SearchContext<'_>, walks: &mut [Walk], places: &[usize]) -> Result<(), SearchError> {
    let nodes: Vec<NodeId> = places.iter().map(|place| walks[*place].node).collect();
    let candidates = propose_distinct(cx, &nodes)?;
    places.iter().zip(&candidates).try_for_each(|(place, candidates)| walks[*place].take(cx, candidates))
}

/// The places of the walks that have not ended.
pub(super) fn going(cx: &SearchContext<'_>, walks: &[Walk]) -> Result<Vec<usize>, SearchError> {
    let mut going = Vec::with_capacity(walks.len());
    for (place, walk) in walks.iter().enumerate() {
        if !walk.ended(cx)? {
            going.push(place);
        }
    }
    Ok(going)
}
