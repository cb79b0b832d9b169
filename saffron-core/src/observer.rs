//! Watching a search without taking part in it.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::candidates::Candidates;
use crate::meter::Role;
use crate::outcome::Outcome;
use crate::reward::ChildReward;
use crate::stop::StopReason;
use crate::token::Token;
use crate::tree::NodeId;
use crate::work::Work;

/// A search is about to begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchStart {
    /// The strategy with its settings.
    pub strategy: String,
    /// The reward model with its settings.
    pub reward: String,
    /// The prompt's tokens.
    pub prompt: Vec<Token>,
    /// The forced beginning of the reply.
    pub prefill: Vec<Token>,
    /// Longest response.
    pub max_new_tokens: usize,
}

/// One batched model call has returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCall {
    /// Which model.
    pub role: Role,
    /// Sessions in the batch.
    pub sessions: usize,
    /// The whole batch's cost.
    pub work: Work,
}

/// A change to the tree of a search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase", expecting = "an object whose `change` says what it is")]
pub enum TreeChange {
    /// A candidate was taken.
    Grown {
        /// The new node.
        node: NodeId,
        /// The node that it continues.
        parent: NodeId,
        /// Its token.
        token: Token,
        /// The policy's log-probability of the token.
        logprob: f32,
        /// The reward that it was taken with.
        #[serde(default, with = "crate::wire::option")]
        reward: Option<f32>,
    },
    /// A node was rewarded after it had been taken.
    Rated {
        /// The node.
        node: NodeId,
        /// Its reward.
        #[serde(with = "crate::wire")]
        reward: f32,
    },
    /// A node will not be continued.
    Ended {
        /// The node.
        node: NodeId,
        /// Why.
        stop: StopReason,
    },
}

/// One sequence of a beam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeamEntry {
    /// Its node.
    pub node: NodeId,
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// The reward that the strategy keeps for it, if it keeps one.
    #[serde(default, with = "crate::wire::option")]
    pub reward: Option<f32>,
    /// Why it ended, if it has.
    pub stop: Option<StopReason>,
}

/// A strategy's beam after a step; level 0 is the root alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Number of steps taken.
    pub index: usize,
    /// The beam in its own order.
    pub beam: Vec<BeamEntry>,
}

/// Callbacks, each with an empty default. Breaking from [`on_level`](Self::on_level) ends the search with the best so far.
///
/// `()` observes nothing, tuples and `&mut` compose, `Option` may hold one.
pub trait SearchObserver {
    /// A search begins.
    fn on_start(&mut self, _start: &SearchStart) {}

    /// A model has answered.
    fn on_call(&mut self, _call: &ModelCall) {}

    /// The policy has proposed what may follow a node.
    fn on_propose(&mut self, _node: NodeId, _candidates: &Candidates) {}

    /// The candidates of a node have their rewards.
    fn on_score(&mut self, _node: NodeId, _candidates: &Candidates, _rewards: &[ChildReward]) {}

    /// The tree has changed.
    fn on_change(&mut self, _change: &TreeChange) {}

    /// A level is complete.
    fn on_level(&mut self, _level: &Level) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// The search has ended.
    fn on_finish(&mut self, _outcome: &Outcome) {}
}

impl SearchObserver for () {}

impl<O: SearchObserver + ?Sized> SearchObserver for &mut O {
    fn on_start(&mut self, start: &SearchStart) {
        (**self).on_start(start);
    }

    fn on_call(&mut self, call: &ModelCall) {
        (**self).on_call(call);
    }

    fn on_propose(&mut self, node: NodeId, candidates: &Candidates) {
        (**self).on_propose(node, candidates);
    }

    fn on_score(&mut self, node: NodeId, candidates: &Candidates, rewards: &[ChildReward]) {
        (**self).on_score(node, candidates, rewards);
    }

    fn on_change(&mut self, change: &TreeChange) {
        (**self).on_change(change);
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        (**self).on_level(level)
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        (**self).on_finish(outcome);
    }
}

impl<O: SearchObserver> SearchObserver for Option<O> {
    fn on_start(&mut self, start: &SearchStart) {
        self.iter_mut().for_each(|observer| observer.on_start(start));
    }

    fn on_call(&mut self, call: &ModelCall) {
        self.iter_mut().for_each(|observer| observer.on_call(call));
    }

    fn on_propose(&mut self, node: NodeId, candidates: &Candidates) {
        self.iter_mut().for_each(|observer| observer.on_propose(node, candidates));
    }

    fn on_score(&mut self, node: NodeId, candidates: &Candidates, rewards: &[ChildReward]) {
        self.iter_mut().for_each(|observer| observer.on_score(node, candidates, rewards));
    }

    fn on_change(&mut self, change: &TreeChange) {
        self.iter_mut().for_each(|observer| observer.on_change(change));
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.iter_mut().try_for_each(|observer| observer.on_level(level))
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        self.iter_mut().for_each(|observer| observer.on_finish(outcome));
    }
}

/// Both observe; both see a level even when the first breaks.
impl<A: SearchObserver, B: SearchObserver> SearchObserver for (A, B) {
    fn on_start(&mut self, start: &SearchStart) {
        self.0.on_start(start);
        self.1.on_start(start);
    }

    fn on_call(&mut self, call: &ModelCall) {
        self.0.on_call(call);
        self.1.on_call(call);
    }

    fn on_propose(&mut self, node: NodeId, candidates: &Candidates) {
        self.0.on_propose(node, candidates);
        self.1.on_propose(node, candidates);
    }

    fn on_score(&mut self, node: NodeId, candidates: &Candidates, rewards: &[ChildReward]) {
        self.0.on_score(node, candidates, rewards);
        self.1.on_score(node, candidates, rewards);
    }

    fn on_change(&mut self, change: &TreeChange) {
        self.0.on_change(change);
        self.1.on_change(change);
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        let (first, second) = (self.0.on_level(level), self.1.on_level(level));
        if first.is_break() { first } else { second }
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        self.0.on_finish(outcome);
        self.1.on_finish(outcome);
    }
}
