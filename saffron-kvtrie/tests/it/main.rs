//! Integration tests of the cache: the trie against an oracle, attention against float64, the pools' promises.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "tensors")]
mod attention;
mod faults;
#[path = "../machine/mod.rs"]
mod machine;
#[cfg(feature = "tensors")]
mod moved;
#[cfg(feature = "tensors")]
mod nan;
mod oracle;
mod payload;
#[cfg(feature = "tensors")]
mod pools;
mod regressions;
mod resize;
mod slots;
#[cfg(feature = "tensors")]
mod snapshot;
mod soak;
mod store;
mod trie;
#[cfg(feature = "tensors")]
mod windows;
