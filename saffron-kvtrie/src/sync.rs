//! What handles share with their trie: the standard library's, or those of the model checker that tries all interleavings.

#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Mutex};

#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Mutex};
