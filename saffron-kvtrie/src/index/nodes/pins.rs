//! Pins and uses: what may go, and how soon.

use std::hash::BuildHasher;

use super::{Index, NodeRef, ROOT};
use crate::evict::{Block, EvictionPolicy};
use crate::index::CacheError;

impl<E: EvictionPolicy, H: BuildHasher + Default> Index<E, H> {
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

    pub(super) fn touch(&mut self, index: u32) {
        if index != ROOT {
            self.clock += 1;
            self.policy.used(index, self.clock);
        }
    }

    /// Enters the node among the evictable ones if it is one.
    pub(super) fn offer(&mut self, index: u32) {
        let node = &self.nodes[index as usize];
        if index != ROOT && node.pins == 0 && node.is_leaf() {
            self.policy.evictable(index);
        }
    }

    /// Tokens on the path of at least one pin.
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.held
    }
}
