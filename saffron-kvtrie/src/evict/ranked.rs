//! Evictable nodes in the order of a key, for policies that need more than recency.

use std::collections::BTreeSet;

use super::NodeId;

/// Keys of all nodes, and the evictable ones sorted by them. Every operation is logarithmic in the evictable nodes.
#[derive(Clone, Debug)]
pub(super) struct Ranked<K> {
    keys: Vec<K>,
    evictable: BTreeSet<(K, NodeId)>,
}

impl<K> Default for Ranked<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), evictable: BTreeSet::new() }
    }
}

impl<K: Copy + Default + Ord> Ranked<K> {
    /// The key of a node; the default for one that has none yet.
    pub(super) fn key(&self, node: NodeId) -> K {
        self.keys.get(node as usize).copied().unwrap_or_default()
    }

    /// Changes a key and with it the node's place.
    pub(super) fn set(&mut self, node: NodeId, key: K) {
        let place = node as usize;
        if place >= self.keys.len() {
            self.keys.resize(place + 1, K::default());
        }
        let was = std::mem::replace(&mut self.keys[place], key);
        if self.evictable.remove(&(was, node)) {
            self.evictable.insert((key, node));
        }
    }

    pub(super) fn offer(&mut self, node: NodeId) {
        self.evictable.insert((self.key(node), node));
    }

    pub(super) fn withdraw(&mut self, node: NodeId) {
        self.evictable.remove(&(self.key(node), node));
    }

    pub(super) fn first(&self) -> Option<NodeId> {
        self.evictable.first().map(|(_, node)| *node)
    }

    pub(super) fn holds(&self, node: NodeId) -> bool {
        self.evictable.contains(&(self.key(node), node))
    }
}
