//! The books, recomputed.

use std::hash::BuildHasher;

use super::{Index, ROOT};
use crate::evict::EvictionPolicy;
use crate::index::{Extent, SlotAllocator};

impl<E: EvictionPolicy, H: BuildHasher + Default> Index<E, H> {
    /// Checks the books from scratch and names the first thing that is wrong. `pending` are the slots of open reservations.
    ///
    /// # Errors
    ///
    /// A sentence about the violation.
    pub fn validate(&self, slots: &SlotAllocator, pending: &[u32]) -> Result<(), String> {
        let mut owners = vec![0u8; slots.capacity() + 1];
        let mut gone = vec![false; self.nodes.len()];
        self.vacant.iter().for_each(|index| gone[*index as usize] = true);
        let alive: Vec<u32> = (0..self.nodes.len() as u32).filter(|index| !gone[*index as usize]).collect();
        let runs = alive.iter().map(|index| self.nodes[*index as usize].run);
        let owned = runs.chain(slots.free_extents()).flat_map(Extent::slots).chain(pending.iter().copied());
        owned.for_each(|slot| owners[slot as usize] += 1);
        if let Some(slot) = (1..owners.len()).find(|slot| owners[*slot] != 1) {
            return Err(format!("slot {slot} has {} owners", owners[slot]));
        }
        let live: usize = alive.iter().map(|index| self.nodes[*index as usize].run.len as usize).sum();
        if live != self.live {
            return Err(format!("{live} tokens are stored, the counter says {}", self.live));
        }
        let held = self.held_from_scratch();
        let pinned: usize =
            alive.iter().filter(|index| held[**index as usize]).map(|index| self.tokens(*index).len()).sum();
        if pinned != self.held {
            return Err(format!("{pinned} tokens are pinned, the counter says {}", self.held));
        }
        let mut children = vec![(0u32, 0u32); self.nodes.len()];
        for ((parent, _), child) in &self.children {
            let (all, of_them_held) = &mut children[*parent as usize];
            *all += 1;
            *of_them_held += u32::from(held[*child as usize]);
        }
        let mut nodes = alive.iter().filter(|index| **index != ROOT);
        nodes.try_for_each(|index| self.validate_node(*index, children[*index as usize]))
    }

    /// Nodes on the path of a pin.
    fn held_from_scratch(&self) -> Vec<bool> {
        let mut held = vec![false; self.nodes.len()];
        for index in (0..self.nodes.len()).filter(|index| self.nodes[*index].pins > 0) {
            let mut at = index;
            while at != ROOT as usize && !held[at] {
                held[at] = true;
                at = self.nodes[at].parent as usize;
            }
        }
        held
    }

    fn validate_node(&self, index: u32, (children, held): (u32, u32)) -> Result<(), String> {
        let node = &self.nodes[index as usize];
        let parent = &self.nodes[node.parent as usize];
        let key = (node.parent, node.first);
        let checks = [
            (node.run.len > 0, "has an empty run"),
            (node.depth == parent.end(), "does not begin where its parent ends"),
            (node.first == self.log[node.run.base as usize], "has another first token than its run"),
            (self.children.get(&key) == Some(&index), "is not its parent's child under its first token"),
            (children == node.children, "has a wrong count of children"),
            (held == node.held_children, "has a wrong count of held children"),
            (self.policy.holds(index) == (node.pins == 0 && node.is_leaf()), "is wrongly (not) evictable"),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(format!("node {index} {what}")),
            None => Ok(()),
        }
    }
}
