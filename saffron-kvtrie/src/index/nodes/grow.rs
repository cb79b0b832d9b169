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
    /// A stale node; slots that are not as many as the tokens; no memory for them.
    pub fn insert(&mut self, below: NodeRef, tokens: &[u32], slots: &[u32]) -> Result<(NodeRef, Vec<u32>), CacheError> {
        if tokens.len() != slots.len() {
            return Err(CacheError::SlotCount { tokens: tokens.len(), slots: slots.len() });
        }
        let mut superfluous = Vec::new();
        let runs = slots.chunk_by(|slot, next| *next == slot + 1);
        let extents = runs.map(|run| Extent { base: run[0], len: run.len() as u32 });
        let node = self.insert_extents(below, tokens, extents, |extent, fate| {
            if fate == Fate::Superfluous {
                superfluous.extend(extent.slots());
            }
        })?;
        Ok((node, superfluous))
    }

    /// The same for slots in extents, as many as the tokens, of which `settled` learns where they went.
    ///
    /// # Errors
    ///
    /// A stale node; no memory for the tokens.
    pub(crate) fn insert_extents(
        &mut self,
        below: NodeRef,
        tokens: &[u32],
        slots: impl IntoIterator<Item = Extent>,
        mut settled: impl FnMut(Extent, Fate),
    ) -> Result<NodeRef, CacheError> {
        let (mut at, mut done) = (self.resolve(below)?, 0);
        let mut supply = Supply { current: Extent { base: 0, len: 0 }, more: slots.into_iter() };
        while done < tokens.len() {
            let Some(child) = self.children.get(&(at, tokens[done])).copied() else {
                let Some(run) = supply.take(tokens.len() - done) else { break };
                self.cover(run)?;
                at = self.add(at, &tokens[done..done + run.len as usize], run.base);
                settled(run, Fate::Stored);
                done += run.len as usize;
                continue;
            };
            let run = self.nodes[child as usize].run;
            let common = common_prefix(self.tokens(child), &tokens[done..]);
            supply.compare(Extent { base: run.base, len: common as u32 }, &mut settled);
            done += common;
            at = if common < run.len as usize { self.split(child, common as u32) } else { child };
        }
        self.touch(at);
        Ok(self.reference(at))
    }

    /// Makes room in the log for the tokens of some slots. Whoever has done so can store them
    /// without an error.
    ///
    /// # Errors
    ///
    /// [`CacheError::Memory`]; nothing has changed then.
    pub(crate) fn cover(&mut self, slots: Extent) -> Result<(), CacheError> {
        let (end, len) = (slots.end() as usize, self.log.len());
        if end > len {
            let missing = end - len;
            self.log
                .try_reserve(missing)
                .map_err(|_| CacheError::Memory { bytes: (missing * size_of::<u32>()) as u64 })?;
            self.log.resize(end, 0);
        }
        Ok(())
    }

    fn add(&mut self, parent: u32, tokens: &[u32], base: u32) -> u32 {
        let run = Extent { base, len: tokens.len() as u32 };
        self.log[base as usize..run.end() as usize].copy_from_slice(tokens);
        let depth = self.nodes[parent as usize].end();
        let node = Node { parent, run, first: tokens[0], depth, pins: 0, children: 0, held_children: 0, generation: 0 };
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
        let upper = Node {
            run: Extent { base: lower.run.base, len: keep },
            pins: 0,
            children: 1,
            held_children: u32::from(lower.is_held()),
            generation: 0,
            ..lower
        };
        let upper = self.place(upper);
        self.children.insert((lower.parent, lower.first), upper);
        let rest = Extent { base: lower.run.base + keep, len: lower.run.len - keep };
        let first = self.log[rest.base as usize];
        self.children.insert((upper, first), node);
        let below = &mut self.nodes[node as usize];
        (below.parent, below.run, below.first, below.depth) = (upper, rest, first, lower.depth + keep);
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

/// What became of slots that were given for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The tokens are in them now.
    Stored,
    /// The tokens were there already, in others.
    Superfluous,
}

/// Slots still to be used.
struct Supply<I> {
    current: Extent,
    more: I,
}

impl<I: Iterator<Item = Extent>> Supply<I> {
    /// The next slots that follow each other, `most` at most; none when all are used.
    fn take(&mut self, most: usize) -> Option<Extent> {
        while self.current.len == 0 {
            self.current = self.more.next()?;
        }
        let taken = Extent { base: self.current.base, len: (self.current.len as usize).min(most) as u32 };
        self.current = Extent { base: taken.end(), len: self.current.len - taken.len };
        Some(taken)
    }

    /// Uses as many slots as hold tokens already: superfluous, unless they are the same.
    fn compare(&mut self, kept: Extent, settled: &mut impl FnMut(Extent, Fate)) {
        let mut at = kept.base;
        while let Some(ours) = self.take((kept.end() - at) as usize).filter(|ours| ours.len > 0) {
            if ours.base != at {
                settled(ours, Fate::Superfluous);
            }
            at += ours.len;
        }
    }
}
