//! First in, first out.

use super::ranked::Ranked;
use super::{Block, EvictionPolicy, NodeId};

/// Evicts the leaf that was stored first, however often it was used.
#[derive(Clone, Debug, Default)]
pub struct Fifo(Ranked<u64>);

impl EvictionPolicy for Fifo {
    fn added(&mut self, node: NodeId, _: NodeId, now: u64) {
        self.0.set(node, now);
    }

    fn used(&mut self, _: NodeId, _: u64) {}

    fn evictable(&mut self, node: NodeId) {
        self.0.offer(node);
    }

    fn blocked(&mut self, node: NodeId, _: Block) {
        self.0.withdraw(node);
    }

    fn removed(&mut self, node: NodeId) {
        self.0.withdraw(node);
    }

    fn split(&mut self, upper: NodeId, lower: NodeId) {
        self.0.set(upper, self.0.key(lower));
    }

    fn victim(&mut self) -> Option<NodeId> {
        self.0.first()
    }

    fn holds(&self, node: NodeId) -> bool {
        self.0.holds(node)
    }
}
