//! Where handles and reservations leave what the trie has to do for them.

use std::sync::PoisonError;

use crate::index::NodeRef;
use crate::sync::Mutex;
use crate::writes::Writes;

/// What handles and reservations leave for the trie to do at its next call. They may be dropped on any thread, while unwinding, and
/// after the trie itself.
#[derive(Debug)]
pub(crate) struct Inbox(Mutex<Vec<Message>>);

#[derive(Debug)]
pub(crate) enum Message {
    /// A handle is gone.
    Unpin(NodeRef),
    /// A reservation ended without a commit.
    Release(Held),
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn push(&self, message: Message) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }

    pub(crate) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What has to be given back when a reservation ends.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) pins: Vec<NodeRef>,
    pub(crate) writes: Writes,
}
