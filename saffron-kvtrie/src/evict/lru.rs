//! Least recently used first: a doubly linked list threaded through the arena, so that no operation depends on how much is stored.

use super::{Block, EvictionPolicy, NodeId};

/// No neighbour.
const END: u32 = u32::MAX;

/// In no more than one cache line, since half of one.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Link {
    older: u32,
    newer: u32,
    used: u64,
    linked: bool,
    evictable: bool,
}

const UNLINKED: Link = Link { older: END, newer: END, used: 0, linked: false, evictable: false };

/// Evicts the leaf whose last use lies furthest back. To match, to commit and to release a leaf are uses.
///
/// Nodes are listed by last use. A node that gets a child leaves the list: its children are used later than it, so that it comes
/// back to the old end when the last of them goes. One that is blocked when it reaches the old end leaves the list for the same
/// reason. All operations take constant time, but that [`victim`](EvictionPolicy::victim) passes over each blocked node once per use.
#[derive(Clone, Debug)]
pub struct Lru {
    links: Vec<Link>,
    oldest: u32,
    newest: u32,
}

impl Default for Lru {
    fn default() -> Self {
        Self { links: Vec::new(), oldest: END, newest: END }
    }
}

impl Lru {
    fn link(&mut self, node: NodeId) -> &mut Link {
        let place = node as usize;
        if place >= self.links.len() {
            self.links.resize(place + 1, UNLINKED);
        }
        &mut self.links[place]
    }

    fn unlink(&mut self, node: NodeId) {
        let Link { older, newer, linked, .. } = *self.link(node);
        if !linked {
            return;
        }
        match older {
            END => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
        match newer {
            END => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
        self.links[node as usize].linked = false;
    }

    /// Puts an unlinked node between two neighbours.
    fn insert(&mut self, node: NodeId, older: u32, newer: u32) {
        let link = self.link(node);
        (link.older, link.newer, link.linked) = (older, newer, true);
        match older {
            END => self.oldest = node,
            older => self.links[older as usize].newer = node,
        }
        match newer {
            END => self.newest = node,
            newer => self.links[newer as usize].older = node,
        }
    }

    fn move_to_newest(&mut self, node: NodeId, now: u64) {
        self.unlink(node);
        self.link(node).used = now;
        self.insert(node, self.newest, END);
    }
}

impl EvictionPolicy for Lru {
    fn added(&mut self, node: NodeId, _: NodeId, now: u64) {
        self.move_to_newest(node, now);
        self.link(node).evictable = false;
    }

    fn used(&mut self, node: NodeId, now: u64) {
        self.move_to_newest(node, now);
    }

    fn released(&mut self, node: NodeId, now: u64) {
        self.move_to_newest(node, now);
    }

    fn evictable(&mut self, node: NodeId) {
        let Link { linked, used, .. } = *self.link(node);
        self.links[node as usize].evictable = true;
        if linked {
            return;
        }
        // Only what came back the same way can be older still.
        let (mut older, mut newer) = (END, self.oldest);
        while newer != END && self.links[newer as usize].used < used {
            (older, newer) = (newer, self.links[newer as usize].newer);
        }
        self.insert(node, older, newer);
    }

    fn blocked(&mut self, node: NodeId, by: Block) {
        self.link(node).evictable = false;
        if by == Block::Child {
            self.unlink(node);
        }
    }

    fn removed(&mut self, node: NodeId) {
        self.unlink(node);
        self.link(node).evictable = false;
    }

    fn split(&mut self, upper: NodeId, lower: NodeId) {
        let used = self.link(lower).used;
        *self.link(upper) = Link { used, ..UNLINKED };
    }

    fn victim(&mut self) -> Option<NodeId> {
        while self.oldest != END && !self.links[self.oldest as usize].evictable {
            self.unlink(self.oldest);
        }
        (self.oldest != END).then_some(self.oldest)
    }

    fn after(&self, node: NodeId) -> Option<NodeId> {
        self.links.get(node as usize).map(|link| link.newer).filter(|newer| *newer != END)
    }

    fn holds(&self, node: NodeId) -> bool {
        self.links.get(node as usize).is_some_and(|link| link.evictable && link.linked)
    }
}
