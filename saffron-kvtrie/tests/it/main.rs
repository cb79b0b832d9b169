//! Integration tests of the cache: the trie against an oracle, attention against float64, the pools' promises.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attention;
mod oracle;
mod payload;
mod pools;
mod snapshot;
mod soak;
mod trie;
