//! Integration tests over the tiny checkpoints in `fixtures/`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chat;
mod dense;
mod fixtures;
mod input;
mod loaders;
mod parity;
mod save;
mod text;
