//! The radix tree over token runs: matching, inserting, splitting, pinning, evicting. Iterative throughout.

mod evict;
mod grow;
mod lookup;
mod pack;
mod pins;
mod validate;

pub(crate) use grow::Fate;
pub use lookup::StoredRun;

use std::collections::HashMap;
use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::{CacheError, Extent};
use crate::evict::{EvictionPolicy, Lru};

/// A node by place and generation: after the node is gone, the reference is stale for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeRef {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

const ROOT: u32 = 0;

/// In a cache line of its own: a node that has not been used for long costs one access to memory.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Node {
    parent: u32,
    /// The run's slots; its tokens stand in the index's log at the same places.
    run: Extent,
    /// The run's first token, under which its parent finds it.
    first: u32,
    /// Tokens before the run: the position of its first token.
    depth: u32,
    /// Live handles and reservations that end here.
    pins: u32,
    children: u32,
    /// Children that a pin, on themselves or further down, holds.
    held_children: u32,
    generation: u32,
}

impl Node {
    fn is_leaf(&self) -> bool {
        self.children == 0
    }

    /// Whether a pin holds the node.
    fn is_held(&self) -> bool {
        self.pins > 0 || self.held_children > 0
    }

    fn end(&self) -> u32 {
        self.depth + self.run.len
    }
}

/// Which tokens are stored, in which slots, and in what order they may be forgotten (the policy's).
///
/// Children are found by hash, and their tokens compared: the hasher decides how fast, never what.
#[derive(Clone, Debug)]
pub struct Index<E = Lru, H = FxBuildHasher> {
    nodes: Vec<Node>,
    vacant: Vec<u32>,
    /// The token of every slot up to the highest that was in use; a run's tokens are contiguous
    /// because its slots are.
    log: Vec<u32>,
    children: HashMap<(u32, u32), u32, H>,
    policy: E,
    clock: u64,
    live: usize,
    held: usize,
    splits: u64,
    nodes_evicted: u64,
}

impl<E: EvictionPolicy, H: BuildHasher + Default> Index<E, H> {
    /// An empty index. Its memory grows with the slots that are in use.
    #[must_use]
    pub fn new(policy: E) -> Self {
        let root = Node {
            parent: ROOT,
            run: Extent { base: 0, len: 0 },
            first: 0,
            depth: 0,
            pins: 1,
            children: 0,
            held_children: 0,
            generation: 0,
        };
        Self {
            nodes: vec![root],
            vacant: Vec::new(),
            log: Vec::new(),
            children: HashMap::default(),
            policy,
            clock: 0,
            live: 0,
            held: 0,
            splits: 0,
            nodes_evicted: 0,
        }
    }

    /// The empty prefix.
    #[must_use]
    pub fn root(&self) -> NodeRef {
        self.reference(ROOT)
    }

    /// Tokens stored.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live
    }

    /// Nodes split so far.
    #[must_use]
    pub fn splits(&self) -> u64 {
        self.splits
    }

    /// Nodes that were evicted whole so far.
    #[must_use]
    pub fn nodes_evicted(&self) -> u64 {
        self.nodes_evicted
    }

    /// Nodes there are, the root included.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len() - self.vacant.len()
    }

    fn reference(&self, index: u32) -> NodeRef {
        NodeRef { index, generation: self.nodes[index as usize].generation }
    }

    fn resolve(&self, node: NodeRef) -> Result<u32, CacheError> {
        let found = self.nodes.get(node.index as usize).map_or(u32::MAX, |found| found.generation);
        if found == node.generation {
            return Ok(node.index);
        }
        Err(CacheError::Stale { index: node.index, expected: node.generation, found })
    }

    fn tokens(&self, node: u32) -> &[u32] {
        let run = self.nodes[node as usize].run;
        &self.log[run.base as usize..run.end() as usize]
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Puts a node into the arena; a reused place keeps counting its generation.
    fn place(&mut self, mut node: Node) -> u32 {
        match self.vacant.pop() {
            Some(index) => {
                node.generation = self.nodes[index as usize].generation;
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }
}
