//! The caller's reward decides.

use super::ranked::Ranked;
use super::{Block, EvictionPolicy, NodeId};

/// Evicts the leaf with the lowest score, among equals the one whose last use lies furthest back.
///
/// A node takes over the score of its parent until it gets one; what nobody has scored goes first.
#[derive(Clone, Debug, Default)]
pub struct ScoreAware(Ranked<(u32, u64)>);

/// Maps floats to integers in the same order. Every number is above the 0 of a node without a score.
fn ordered(score: f32) -> u32 {
    // Both zeros are one score.
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

impl EvictionPolicy for ScoreAware {
    fn added(&mut self, node: NodeId, parent: NodeId, now: u64) {
        self.0.set(node, (self.0.key(parent).0, now));
    }

    fn used(&mut self, node: NodeId, now: u64) {
        self.0.set(node, (self.0.key(node).0, now));
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

    fn scored(&mut self, node: NodeId, score: f32) {
        self.0.set(node, (ordered(score), self.0.key(node).1));
    }

    fn victim(&mut self) -> Option<NodeId> {
        self.0.first()
    }

    fn holds(&self, node: NodeId) -> bool {
        self.0.holds(node)
    }
}

#[cfg(test)]
mod tests {
    use super::ordered;

    #[test]
    fn integers_stand_in_the_order_of_their_floats() {
        let floats = [f32::NEG_INFINITY, -2.0, -f32::MIN_POSITIVE, 0.0, f32::MIN_POSITIVE, 2.0, f32::INFINITY];
        assert!(floats.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
        assert_eq!(ordered(-0.0), ordered(0.0));
        assert!(ordered(f32::NEG_INFINITY) > 0);
    }
}
