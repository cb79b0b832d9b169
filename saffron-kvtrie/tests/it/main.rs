//! Integration tests of the cache: the trie against an oracle, attention against float64, the pools' promises.

mod attention;
mod oracle;
mod pools;
mod trie;
