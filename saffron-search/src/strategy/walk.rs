//! Sampling from the policy, token by token, for several sequences at once.

use rand_chacha::ChaCha8Rng;
use saffron_core::random::LogWeights;
use saffron_core::{Candidates, Child, ChildReward, NodeId, NodeState, SearchContext, SearchError, StopReason};

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

    /// One more token, drawn from these candidates.
    pub(super) fn draw(&mut self, cx: &mut SearchContext<'_>, candidates: &Candidates) -> Result<(), SearchError> {
        self.take(cx, candidates, &weights_of(candidates))
    }

    fn take(
        &mut self,
        cx: &mut SearchContext<'_>,
        candidates: &Candidates,
        weights: &LogWeights,
    ) -> Result<(), SearchError> {
        match weights.draw(&mut self.rng) {
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

/// The candidates of nodes, each asked for once however often it stands in a list.
pub(super) struct Proposed {
    candidates: Vec<Candidates>,
    /// For every node of the list, the place of its candidates.
    places: Vec<usize>,
}

impl Proposed {
    /// Asks for the candidates of nodes.
    pub(super) fn of(cx: &mut SearchContext<'_>, nodes: &[NodeId]) -> Result<Self, SearchError> {
        let mut distinct: Vec<NodeId> = Vec::new();
        let mut place_of = |node: &NodeId| {
            distinct.iter().position(|other| other == node).unwrap_or_else(|| {
                distinct.push(*node);
                distinct.len() - 1
            })
        };
        let places = nodes.iter().map(&mut place_of).collect();
        Ok(Self { candidates: cx.propose(&distinct)?, places })
    }

    /// The candidates of every node of the list.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Candidates> {
        self.places.iter().map(|place| &self.candidates[*place])
    }

    /// For every node of the list its candidates, ready to be drawn from.
    fn with_weights<'a>(&'a self, weights: &'a [LogWeights]) -> impl Iterator<Item = (&'a Candidates, &'a LogWeights)> {
        self.places.iter().map(|place| (&self.candidates[*place], &weights[*place]))
    }
}

/// One more token for each of the walks at these places, in one policy call.
pub(super) fn walk(cx: &mut SearchContext<'_>, walks: &mut [Walk], places: &[usize]) -> Result<(), SearchError> {
    let nodes: Vec<NodeId> = places.iter().map(|place| walks[*place].node).collect();
    let proposed = Proposed::of(cx, &nodes)?;
    let weights: Vec<LogWeights> = proposed.candidates.iter().map(weights_of).collect();
    for (place, (candidates, weights)) in places.iter().zip(proposed.with_weights(&weights)) {
        walks[*place].take(cx, candidates, weights)?;
    }
    Ok(())
}

fn weights_of(candidates: &Candidates) -> LogWeights {
    LogWeights::new(candidates.ranked.iter().map(|candidate| f64::from(candidate.logprob)))
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
