//! Integration tests of the cache: the trie against an oracle, attention against float64, the pools' promises.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attention;
mod oracle;
mod pools;
mod soak;
mod trie;
