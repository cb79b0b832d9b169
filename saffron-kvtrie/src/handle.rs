//! Handles of stored sequences.

use crate::inbox::{Inbox, Message};
use crate::index::NodeRef;
use crate::sync::Arc;

/// A stored sequence, held: while a clone of this handle lives, none of its tokens is evicted.
#[derive(Clone, Debug)]
pub struct Seq(Arc<Pin>);

/// What a lookup found.
#[derive(Clone, Debug)]
pub struct Match {
    /// The stored prefix, held.
    pub seq: Seq,
    /// Its length.
    pub matched: usize,
}

#[derive(Debug)]
struct Pin {
    node: NodeRef,
    inbox: Arc<Inbox>,
}

impl Seq {
    /// A handle of a node that its trie has pinned for it.
    pub(crate) fn new(node: NodeRef, inbox: Arc<Inbox>) -> Self {
        Self(Arc::new(Pin { node, inbox }))
    }

    /// The node, for the trie that the handle is of.
    pub(crate) fn node(&self, inbox: &Arc<Inbox>) -> Option<NodeRef> {
        Arc::ptr_eq(&self.0.inbox, inbox).then_some(self.0.node)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.inbox.push(Message::Unpin(self.node));
    }
}
