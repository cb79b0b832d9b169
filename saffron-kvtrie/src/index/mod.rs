//! The token index: integers only. A node is a run of tokens whose slots are one extent, so splitting it is arithmetic.

mod alloc;
mod error;
mod extent;
mod nodes;
mod stats;

pub use alloc::SlotAllocator;
pub(crate) use alloc::{MOST_SLOTS, check_capacity};
pub use error::CacheError;
pub use extent::{Extent, Move};
pub(crate) use nodes::Fate;
pub use nodes::{Index, NodeRef, StoredRun};
pub use stats::TrieStats;
