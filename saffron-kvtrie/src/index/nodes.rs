//! The radix tree over token runs: matching, inserting, splitting, pinning, evicting. Iterative throughout.

mod validate;

use std::collections::HashMap;
use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use crate::evict::{Block, EvictionPolicy, Lru};

use super::{CacheError, Extent, SlotAllocator};

/// A node by place and generation: after the node is gone, the reference is stale for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeRef {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

const ROOT: u32 = 0;

/// A stored run, as snapshots have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRun<'a> {
    /// Place of the run above it, counted from 1; 0 is the empty prefix.
    pub parent: u32,
    /// The tokens.
    pub tokens: &'a [u32],
    /// Where their rows are.
    pub slots: Extent,
}

#[derive(Clone, Debug)]
struct Node {
    parent: u32,
    /// The run's slots; its tokens stand in the index's log at the same places.
    run: Extent,
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
    /// The token of every slot; a run's tokens are contiguous because its slots are.
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
    /// An empty index over slots `1..=capacity`.
    #[must_use]
    pub fn new(capacity: u32, policy: E) -> Self {
        let root = Node {
            parent: ROOT,
            run: Extent { base: 0, len: 0 },
            depth: 0,
            pins: 1,
            children: 0,
            held_children: 0,
            generation: 0,
        };
        Self {
            nodes: vec![root],
            vacant: Vec::new(),
            log: vec![0; capacity as usize + 1],
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

    /// The longest stored prefix of the tokens, as a node that ends exactly there (a run that is left midway is split), marked as
    /// just used.
    pub fn match_prefix(&mut self, tokens: &[u32]) -> (NodeRef, usize) {
        let (mut at, mut matched) = (ROOT, 0);
        while let Some(child) = tokens.get(matched).and_then(|token| self.children.get(&(at, *token)).copied()) {
            let common = common_prefix(self.tokens(child), &tokens[matched..]);
            matched += common;
            if common < self.nodes[child as usize].run.len as usize {
                at = self.split(child, common as u32);
                break;
            }
            at = child;
        }
        self.touch(at);
        (self.reference(at), matched)
    }

    /// Stores tokens in slots below a node. Where the trie already holds a token in another slot, that one is kept and ours is
    /// returned as superfluous. Gives the node that ends at the last token.
    ///
    /// # Errors
    ///
    /// A stale node; slots that are not as many as the tokens.
    pub fn insert(&mut self, below: NodeRef, tokens: &[u32], slots: &[u32]) -> Result<(NodeRef, Vec<u32>), CacheError> {
        if tokens.len() != slots.len() {
            return Err(CacheError::SlotCount { tokens: tokens.len(), slots: slots.len() });
        }
        let (mut at, mut done, mut superfluous) = (self.resolve(below)?, 0, Vec::new());
        while done < tokens.len() {
            let Some(child) = self.children.get(&(at, tokens[done])).copied() else {
                let len = contiguous(&slots[done..]);
                at = self.add(at, &tokens[done..done + len], slots[done]);
                done += len;
                continue;
            };
            let common = common_prefix(self.tokens(child), &tokens[done..]);
            let kept = self.nodes[child as usize].run.base;
            let ours = slots[done..done + common].iter().zip(kept..);
            superfluous.extend(ours.filter(|(ours, kept)| *ours != kept).map(|(ours, _)| *ours));
            done += common;
            let partial = common < self.nodes[child as usize].run.len as usize;
            at = if partial { self.split(child, common as u32) } else { child };
        }
        self.touch(at);
        Ok((self.reference(at), superfluous))
    }

    fn add(&mut self, parent: u32, tokens: &[u32], base: u32) -> u32 {
        let run = Extent { base, len: tokens.len() as u32 };
        self.log[base as usize..run.end() as usize].copy_from_slice(tokens);
        let depth = self.nodes[parent as usize].end();
        let node = Node { parent, run, depth, pins: 0, children: 0, held_children: 0, generation: 0 };
        let index = self.place(node);
        self.clock += 1;
        self.policy.added(index, parent, self.clock);
        self.children.insert((parent, tokens[0]), index);
        self.live += tokens.len();
        self.adopt(parent);
        self.offer(index);
        index
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

    /// Cuts a run after `keep` tokens. The node stays the lower part, so that handles to it keep their meaning; the new upper
    /// part is returned.
    fn split(&mut self, node: u32, keep: u32) -> u32 {
        let lower = self.nodes[node as usize].clone();
        let first = self.log[lower.run.base as usize];
        let upper = Node {
            run: Extent { base: lower.run.base, len: keep },
            pins: 0,
            children: 1,
            held_children: u32::from(lower.is_held()),
            generation: 0,
            ..lower
        };
        let upper = self.place(upper);
        self.children.insert((lower.parent, first), upper);
        let rest = Extent { base: lower.run.base + keep, len: lower.run.len - keep };
        self.children.insert((upper, self.log[rest.base as usize]), node);
        let below = &mut self.nodes[node as usize];
        (below.parent, below.run, below.depth) = (upper, rest, lower.depth + keep);
        self.policy.split(upper, node);
        self.splits += 1;
        upper
    }

    /// Pins the node: it and all above it stay until as many unpins.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn pin(&mut self, node: NodeRef) -> Result<(), CacheError> {
        let index = self.resolve(node)?;
        let was_held = self.nodes[index as usize].is_held();
        self.nodes[index as usize].pins += 1;
        if self.nodes[index as usize].pins == 1 && index != ROOT {
            self.policy.blocked(index, Block::Pin);
        }
        if !was_held {
            self.hold(index);
        }
        Ok(())
    }

    /// Undoes one pin.
    ///
    /// # Errors
    ///
    /// A stale node (a pinned one cannot become stale); one that is not pinned.
    pub fn unpin(&mut self, node: NodeRef) -> Result<(), CacheError> {
        let index = self.resolve(node)?;
        let pins = self.nodes[index as usize].pins;
        self.nodes[index as usize].pins = pins.checked_sub(1).ok_or(CacheError::NotPinned { index })?;
        if self.nodes[index as usize].pins > 0 || index == ROOT {
            return Ok(());
        }
        if self.nodes[index as usize].is_leaf() {
            self.clock += 1;
            self.policy.released(index, self.clock);
        }
        self.offer(index);
        if !self.nodes[index as usize].is_held() {
            self.let_go(index);
        }
        Ok(())
    }

    /// Counts a node that has come to be held, and those above it that were not: each of them once, whatever hangs below.
    fn hold(&mut self, mut index: u32) {
        while index != ROOT {
            let node = &self.nodes[index as usize];
            self.held += node.run.len as usize;
            index = node.parent;
            let above = &mut self.nodes[index as usize];
            let was_held = above.is_held();
            above.held_children += 1;
            if was_held {
                break;
            }
        }
    }

    /// The opposite of [`hold`](Self::hold).
    fn let_go(&mut self, mut index: u32) {
        while index != ROOT {
            let node = &self.nodes[index as usize];
            self.held -= node.run.len as usize;
            index = node.parent;
            let above = &mut self.nodes[index as usize];
            above.held_children -= 1;
            if above.is_held() {
                break;
            }
        }
    }

    /// Values a node, for policies that go by it.
    ///
    /// # Errors
    ///
    /// A stale node; NaN.
    pub fn set_score(&mut self, node: NodeRef, score: f32) -> Result<(), CacheError> {
        if score.is_nan() {
            return Err(CacheError::ScoreIsNan);
        }
        let index = self.resolve(node)?;
        if index != ROOT {
            self.policy.scored(index, score);
        }
        Ok(())
    }

    fn touch(&mut self, index: u32) {
        if index != ROOT {
            self.clock += 1;
            self.policy.used(index, self.clock);
        }
    }

    /// Enters the node among the evictable ones if it is one.
    fn offer(&mut self, index: u32) {
        let node = &self.nodes[index as usize];
        if index != ROOT && node.pins == 0 && node.is_leaf() {
            self.policy.evictable(index);
        }
    }

    /// Counts one more child.
    fn adopt(&mut self, parent: u32) {
        self.nodes[parent as usize].children += 1;
        if parent != ROOT && self.nodes[parent as usize].children == 1 {
            self.policy.blocked(parent, Block::Child);
        }
    }

    /// Forgets at least `need` tokens if it can: the leaf that the policy names first, tail of a run first. The freed slots go to the
    /// allocator; the number of them is returned.
    pub fn evict(&mut self, need: usize, slots: &mut SlotAllocator) -> usize {
        let mut freed = 0;
        while freed < need {
            let Some(victim) = self.policy.victim() else { break };
            let run = self.nodes[victim as usize].run;
            let tail = (run.len as usize).min(need - freed) as u32;
            slots.give(Extent { base: run.end() - tail, len: tail });
            self.live -= tail as usize;
            freed += tail as usize;
            if tail < run.len {
                let shortened = &mut self.nodes[victim as usize];
                shortened.run.len -= tail;
                shortened.generation += 1;
            } else {
                self.remove(victim, run);
            }
        }
        freed
    }

    fn remove(&mut self, index: u32, run: Extent) {
        let parent = self.nodes[index as usize].parent;
        self.policy.removed(index);
        self.nodes_evicted += 1;
        self.children.remove(&(parent, self.log[run.base as usize]));
        self.nodes[index as usize].generation += 1;
        self.nodes[index as usize].run.len = 0;
        self.vacant.push(index);
        self.nodes[parent as usize].children -= 1;
        self.offer(parent);
    }

    /// Number of tokens on the path to the node.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn len(&self, node: NodeRef) -> Result<usize, CacheError> {
        Ok(self.nodes[self.resolve(node)? as usize].end() as usize)
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The slots of the path to the node, in order, as extents; neighbours that touch are joined.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn path(&self, node: NodeRef) -> Result<Vec<Extent>, CacheError> {
        let mut at = self.resolve(node)?;
        let mut path: Vec<Extent> = Vec::new();
        while at != ROOT {
            let run = self.nodes[at as usize].run;
            match path.last_mut() {
                Some(below) if run.end() == below.base => *below = Extent { base: run.base, len: run.len + below.len },
                _ => path.push(run),
            }
            at = self.nodes[at as usize].parent;
        }
        path.reverse();
        Ok(path)
    }

    /// The tokens of the path to the node.
    ///
    /// # Errors
    ///
    /// A stale node.
    pub fn path_tokens(&self, node: NodeRef) -> Result<Vec<u32>, CacheError> {
        Ok(self.path(node)?.iter().flat_map(|run| &self.log[run.base as usize..run.end() as usize]).copied().collect())
    }

    /// All runs, parents before children, siblings in the order of their first tokens.
    #[must_use]
    pub fn runs(&self) -> Vec<StoredRun<'_>> {
        let mut below: Vec<(u32, u32, u32)> =
            self.children.iter().map(|((parent, first), child)| (*parent, *first, *child)).collect();
        below.sort_unstable();
        let mut runs = Vec::with_capacity(below.len());
        let mut stack = vec![(ROOT, 0)];
        while let Some((node, place)) = stack.pop() {
            let mut own = place;
            if node != ROOT {
                let run = self.nodes[node as usize].run;
                runs.push(StoredRun { parent: place, tokens: self.tokens(node), slots: run });
                own = runs.len() as u32;
            }
            let from = below.partition_point(|(parent, ..)| *parent < node);
            let children = below[from..].iter().take_while(|(parent, ..)| *parent == node);
            let first = stack.len();
            stack.extend(children.map(|(.., child)| (*child, own)));
            stack[first..].reverse();
        }
        runs
    }

    /// Whether a node has a child that begins with the token.
    pub(crate) fn has_child(&self, node: NodeRef, token: u32) -> bool {
        self.children.contains_key(&(node.index, token))
    }

    /// Tokens on the path of at least one pin.
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.held
    }
}

fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    /// Tokens that are compared at once.
    const BLOCK: usize = 32;
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let same =
        a.as_chunks::<BLOCK>().0.iter().zip(b.as_chunks::<BLOCK>().0).take_while(|(a, b)| a == b).count() * BLOCK;
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}

/// How many of the slots follow each other, from the first on.
fn contiguous(slots: &[u32]) -> usize {
    1 + slots.windows(2).take_while(|pair| pair[1] == pair[0] + 1).count()
}
