//! Integration tests of the searcher and its strategies, over tables: no tensor anywhere.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod causes;
#[cfg(feature = "eval")]
mod eval;
#[cfg(feature = "eval")]
mod harness;
#[cfg(feature = "eval")]
mod journal;
mod many;
mod many_faults;
mod no_reward;
mod overlapped;
#[cfg(feature = "eval")]
mod regular;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "eval")]
mod runs;
mod scheduler;
mod searcher;
mod sendable;
#[cfg(feature = "serve")]
mod serve;
mod strategies;
mod stream;
mod trace_pages;
mod trace_recording;
mod trace_tree;
mod traces;
mod verdicts;
mod words;
mod worlds;
