//! Which leaf is forgotten when room is needed. A policy sees node ids and numbers, never tokens or tensors, so that it can be
//! written and tested alone.
//!
//! The index says what happens to nodes; the policy names the next victim. Only leaves without a pin are evictable: the index
//! says when a node becomes one and when it ceases to be.

mod fifo;
mod lfu;
mod lru;
mod none;
mod ranked;
mod score;

pub use fifo::Fifo;
pub use lfu::Lfu;
pub use lru::Lru;
pub use none::NeverEvict;
pub use ranked::{Ranked, Rule};
pub use score::ScoreAware;

/// Place of a node in the arena. Places are used again after their node was removed.
pub type NodeId = u32;

/// What keeps a node from being evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// A handle or an open reservation ends here.
    Pin,
    /// It is no leaf any more.
    Child,
}

/// Chooses what is evicted.
///
/// Times are a counter of the index: later events have larger ones.
pub trait EvictionPolicy: std::fmt::Debug + Send {
    /// A node was made below `parent`.
    fn added(&mut self, node: NodeId, parent: NodeId, now: u64);

    /// A context ended at the node, by a match or a commit.
    fn used(&mut self, node: NodeId, now: u64);

    /// The last pin on a leaf was released.
    fn released(&mut self, node: NodeId, now: u64) {
        let _ = (node, now);
    }

    /// The node has neither pin nor child now.
    fn evictable(&mut self, node: NodeId);

    /// The node may not be evicted for one more reason.
    fn blocked(&mut self, node: NodeId, by: Block);

    /// The node is gone; its id may come back for another.
    fn removed(&mut self, node: NodeId);

    /// The head of `lower`'s run became a node of its own, which has `lower` as its only child.
    fn split(&mut self, upper: NodeId, lower: NodeId);

    /// The caller valued the node.
    fn scored(&mut self, node: NodeId, score: f32) {
        let _ = (node, score);
    }

    /// The evictable node to go next; it stays in the books until [`removed`](Self::removed).
    fn victim(&mut self) -> Option<NodeId>;

    /// The node that may go after an evictable one, if that is known at no cost: a guess, of which nothing depends but how soon memory
    /// is read.
    fn after(&self, node: NodeId) -> Option<NodeId> {
        let _ = node;
        None
    }

    /// Whether the policy takes the node for evictable; for checks of the books.
    fn holds(&self, node: NodeId) -> bool;
}
