//! Storing runs and cutting them.

use std::hash::BuildHasher;

use super::lookup::common_prefix;
use super::{Index, Node, NodeRef, ROOT};
use crate::evict::{Block, EvictionPolicy};
use crate::index::{CacheError, Extent};

impl<E: EvictionPolicy, H: BuildHasher + Default> Index<E, H> {
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

    /// Cuts a run after `keep` tokens. The node stays the lower part, so that handles to it keep their meaning; the new upper
    /// part is returned.
    pub(super) fn split(&mut self, node: u32, keep: u32) -> u32 {
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

    /// Counts one more child.
    fn adopt(&mut self, parent: u32) {
        self.nodes[parent as usize].children += 1;
        if parent != ROOT && self.nodes[parent as usize].children == 1 {
            self.policy.blocked(parent, Block::Child);
        }
    }
}

/// How many of the slots follow each other, from the first on.
fn contiguous(slots: &[u32]) -> usize {
    1 + slots.windows(2).take_while(|pair| pair[1] == pair[0] + 1).count()
}
