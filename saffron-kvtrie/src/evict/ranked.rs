//! Policies that go by a key of every node: the smallest goes first.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::{Block, EvictionPolicy, NodeId};

/// What a node's key is made of.
pub trait Rule: Debug + Send {
    /// The key; nodes with equal keys go in the order of their ids.
    type Key: Copy + Debug + Default + Ord + Send;

    /// The key of a new node.
    fn added(parent: Self::Key, now: u64) -> Self::Key;

    /// The key of a node at which a context ended.
    fn used(key: Self::Key, now: u64) -> Self::Key;

    /// The key of a node that the caller has valued.
    fn scored(key: Self::Key, score: f32) -> Self::Key {
        let _ = score;
        key
    }
}

/// Keys of all nodes, and the evictable ones sorted by them. Every operation is logarithmic in the evictable nodes.
#[derive(Clone, Debug)]
pub struct Ranked<R: Rule> {
    keys: Vec<R::Key>,
    evictable: BTreeSet<(R::Key, NodeId)>,
}

impl<R: Rule> Default for Ranked<R> {
    fn default() -> Self {
        Self { keys: Vec::new(), evictable: BTreeSet::new() }
    }
}

impl<R: Rule> Ranked<R> {
    /// The key of a node; the default for one that has none yet.
    fn key(&self, node: NodeId) -> R::Key {
        self.keys.get(node as usize).copied().unwrap_or_default()
    }

    /// Changes a key and with it the node's place.
    fn set(&mut self, node: NodeId, key: R::Key) {
        let place = node as usize;
        if place >= self.keys.len() {
            self.keys.resize(place + 1, R::Key::default());
        }
        let was = std::mem::replace(&mut self.keys[place], key);
        if self.evictable.remove(&(was, node)) {
            self.evictable.insert((key, node));
        }
    }

    fn withdraw(&mut self, node: NodeId) {
        self.evictable.remove(&(self.key(node), node));
    }
}

impl<R: Rule> EvictionPolicy for Ranked<R> {
    fn added(&mut self, node: NodeId, parent: NodeId, now: u64) {
        self.set(node, R::added(self.key(parent), now));
    }

    fn used(&mut self, node: NodeId, now: u64) {
        self.set(node, R::used(self.key(node), now));
    }

    fn evictable(&mut self, node: NodeId) {
        self.evictable.insert((self.key(node), node));
    }

    fn blocked(&mut self, node: NodeId, _: Block) {
        self.withdraw(node);
    }

    fn removed(&mut self, node: NodeId) {
        self.withdraw(node);
    }

    fn split(&mut self, upper: NodeId, lower: NodeId) {
        self.set(upper, self.key(lower));
    }

    fn scored(&mut self, node: NodeId, score: f32) {
        self.set(node, R::scored(self.key(node), score));
    }

    fn victim(&mut self) -> Option<NodeId> {
        self.evictable.first().map(|(_, node)| *node)
    }

    fn holds(&self, node: NodeId) -> bool {
        self.evictable.contains(&(self.key(node), node))
    }
}
