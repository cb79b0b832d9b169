//! The tree of sequences that a search has grown. An arena; nodes are never removed during a search.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::search_error::{SearchError, SearchErrorKind};
use crate::stop::StopReason;
use crate::token::Token;

/// A node of a [`SearchTree`]: a response so far. The root is the empty response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(usize);

impl NodeId {
    /// The empty response.
    pub const ROOT: Self = Self(0);

    /// Place in order of creation; the root's is 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a sequence may still grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// It may.
    Open,
    /// It has been continued by other nodes.
    Inner,
    /// It ended.
    Ended(StopReason),
}

#[derive(Clone, Debug)]
struct Node {
    parent: Option<NodeId>,
    token: Token,
    depth: usize,
    logprob: f32,
    reward: Option<f32>,
    state: NodeState,
}

/// All sequences of one search.
#[derive(Clone, Debug)]
pub struct SearchTree {
    nodes: Vec<Node>,
}

impl Default for SearchTree {
    fn default() -> Self {
        let root = Node { parent: None, token: 0, depth: 0, logprob: 0.0, reward: None, state: NodeState::Open };
        Self { nodes: vec![root] }
    }
}

impl SearchTree {
    /// Number of nodes, the root included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Tokens from the root to the node.
    ///
    /// # Errors
    ///
    /// An unknown node, as in all methods that take one.
    pub fn tokens(&self, node: NodeId) -> Result<Vec<Token>, SearchError> {
        let mut tokens = Vec::with_capacity(self.node(node)?.depth);
        let mut at = node;
        while let Some(parent) = self.nodes[at.0].parent {
            tokens.push(self.nodes[at.0].token);
            at = parent;
        }
        tokens.reverse();
        Ok(tokens)
    }

    /// The node's own token; none for the root.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn token(&self, node: NodeId) -> Result<Option<Token>, SearchError> {
        let node = self.node(node)?;
        Ok(node.parent.map(|_| node.token))
    }

    /// Number of tokens from the root to the node.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn depth(&self, node: NodeId) -> Result<usize, SearchError> {
        Ok(self.node(node)?.depth)
    }

    /// The node's parent; none for the root.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn parent(&self, node: NodeId) -> Result<Option<NodeId>, SearchError> {
        Ok(self.node(node)?.parent)
    }

    /// The node's state.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn state(&self, node: NodeId) -> Result<NodeState, SearchError> {
        Ok(self.node(node)?.state)
    }

    /// The reward that the node was taken with; none for the root and for children that were taken without one.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn reward(&self, node: NodeId) -> Result<Option<f32>, SearchError> {
        Ok(self.node(node)?.reward)
    }

    /// Sum of the policy's log-probabilities from the root to the node.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn logprob(&self, node: NodeId) -> Result<f32, SearchError> {
        Ok(self.node(node)?.logprob)
    }

    /// The policy's log-probability of the node's own token; 0 for the root.
    ///
    /// # Errors
    ///
    /// An unknown node.
    pub fn own_logprob(&self, node: NodeId) -> Result<f32, SearchError> {
        let node = self.node(node)?;
        let above = node.parent.map_or(0.0, |parent| self.nodes[parent.0].logprob);
        Ok(node.logprob - above)
    }

    /// The open nodes in order of creation.
    pub fn open(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ids().filter(|id| self.nodes[id.0].state == NodeState::Open)
    }

    /// The nodes that have no children, in order of creation.
    pub fn leaves(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ids().filter(|id| self.nodes[id.0].state != NodeState::Inner)
    }

    fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.nodes.len()).map(NodeId)
    }

    fn node(&self, node: NodeId) -> Result<&Node, SearchError> {
        let size = self.nodes.len();
        self.nodes.get(node.0).ok_or_else(|| SearchErrorKind::UnknownNode { node: node.0, size }.into())
    }

    /// The node, when it may still grow: it has not ended. (A node may be continued more than once.)
    pub(crate) fn growing(&self, node: NodeId) -> Result<NodeId, SearchError> {
        match self.node(node)?.state {
            NodeState::Ended(stop) => Err(SearchErrorKind::NodeClosed { node: node.0, stop }.into()),
            NodeState::Open | NodeState::Inner => Ok(node),
        }
    }

    pub(crate) fn add(
        &mut self,
        parent: NodeId,
        token: Token,
        logprob: f32,
        reward: Option<f32>,
    ) -> Result<NodeId, SearchError> {
        self.growing(parent)?;
        let id = NodeId(self.nodes.len());
        let above = &mut self.nodes[parent.0];
        above.state = NodeState::Inner;
        let (depth, logprob) = (above.depth + 1, above.logprob + logprob);
        self.nodes.push(Node { parent: Some(parent), token, depth, logprob, reward, state: NodeState::Open });
        Ok(id)
    }

    pub(crate) fn set_reward(&mut self, node: NodeId, reward: f32) -> Result<(), SearchError> {
        self.node(node)?;
        self.nodes[node.0].reward = Some(reward);
        Ok(())
    }

    pub(crate) fn end(&mut self, node: NodeId, stop: StopReason) -> Result<(), SearchError> {
        self.growing(node)?;
        self.nodes[node.0].state = NodeState::Ended(stop);
        Ok(())
    }
}
