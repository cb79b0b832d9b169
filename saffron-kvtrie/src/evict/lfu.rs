//! Least frequently used first.

use super::ranked::Ranked;
use super::{Block, EvictionPolicy, NodeId};

/// Evicts the leaf at which the fewest contexts ended; among equals the one whose last use lies furthest back.
#[derive(Clone, Debug, Default)]
pub struct Lfu(Ranked<(u64, u64)>);

impl EvictionPolicy for Lfu {
    fn added(&mut self, node: NodeId, _: NodeId, now: u64) {
        self.0.set(node, (0, now));
    }

    fn used(&mut self, node: NodeId, now: u64) {
        let (uses, _) = self.0.key(node);
        self.0.set(node, (uses + 1, now));
    }

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
