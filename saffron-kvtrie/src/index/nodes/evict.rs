//! Forgetting.

use std::hash::BuildHasher;

use super::Index;
use crate::evict::EvictionPolicy;
use crate::index::{Extent, SlotAllocator};

impl<E: EvictionPolicy, H: BuildHasher + Default> Index<E, H> {
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
}
