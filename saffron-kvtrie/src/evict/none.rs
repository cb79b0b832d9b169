//! Nothing goes.

use super::{Block, EvictionPolicy, NodeId};

/// Never evicts: a full cache says so.
#[derive(Clone, Debug, Default)]
pub struct NeverEvict {
    evictable: Vec<bool>,
}

impl NeverEvict {
    fn set(&mut self, node: NodeId, evictable: bool) {
        let place = node as usize;
        if place >= self.evictable.len() {
            self.evictable.resize(place + 1, false);
        }
        self.evictable[place] = evictable;
    }
}

impl EvictionPolicy for NeverEvict {
    fn added(&mut self, _: NodeId, _: NodeId, _: u64) {}

    fn used(&mut self, _: NodeId, _: u64) {}

    fn evictable(&mut self, node: NodeId) {
        self.set(node, true);
    }

    fn blocked(&mut self, node: NodeId, _: Block) {
        self.set(node, false);
    }

    fn removed(&mut self, node: NodeId) {
        self.set(node, false);
    }

    fn split(&mut self, _: NodeId, _: NodeId) {}

    fn victim(&mut self) -> Option<NodeId> {
        None
    }

    fn holds(&self, node: NodeId) -> bool {
        self.evictable.get(node as usize).copied().unwrap_or_default()
    }
}
