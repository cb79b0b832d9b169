//! A model of the cache: operations on a cache whose rows are hashes of the path that they stand for, so that any wrong row shows, and
//! everything checked after each. Driven by the property tests and by the fuzzer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod canary;
pub(crate) mod op;
pub(crate) mod world;
