//! Forgetting.

use std::hash::BuildHasher;
use std::hint::black_box;

use super::{Index, ROOT};
use crate::evict::EvictionPolicy;
use crate::index::{Extent, SlotAllocator};

impl<E: EvictionPolicy, H: BuildHasher + Default> Index<E, H> {
    /// Forgets at least `need` tokens if it can: the leaf that the policy names first, tail of a run first. The freed slots go to the
    /// allocator; the number of them is returned. A policy that names what may not go is not obeyed: eviction ends there.
    pub fn evict(&mut self, need: usize, slots: &mut SlotAllocator) -> usize {
        let mut freed = 0;
        while freed < need {
            let Some(victim) = self.policy.victim().filter(|victim| self.may_go(*victim)) else { break };
            self.warm(victim);
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
                self.remove(victim);
            }
        }
        freed
    }

    /// Whether a node is there, with neither pin nor child.
    fn may_go(&self, node: u32) -> bool {
        let stored = self.nodes.get(node as usize).filter(|node| node.run.len > 0);
        node != ROOT && stored.is_some_and(|node| node.pins == 0 && node.is_leaf())
    }

    /// Reads what the next victims need, so that it comes from memory while this one is dealt with: old nodes are in no cache. One thing
    /// of each, because what one read gives the next would have to wait for.
    fn warm(&self, victim: u32) {
        let Some(next) = self.policy.after(victim) else { return };
        let Some(later) = self.policy.after(next) else { return };
        black_box((self.nodes.get(later as usize).map(|node| node.parent), self.policy.after(later)));
        black_box(self.nodes.get(next as usize).and_then(|next| self.children.get(&(next.parent, next.first))));
    }

    fn remove(&mut self, index: u32) {
        let node = &mut self.nodes[index as usize];
        let (parent, first) = (node.parent, node.first);
        node.generation += 1;
        node.run.len = 0;
        self.policy.removed(index);
        self.nodes_evicted += 1;
        self.children.remove(&(parent, first));
        self.vacant.push(index);
        self.nodes[parent as usize].children -= 1;
        self.offer(parent);
    }
}
