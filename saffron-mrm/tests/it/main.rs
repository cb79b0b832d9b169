//! Integration tests over the tiny checkpoints in `fixtures/`.

mod dense;
mod fixtures;
mod loaders;
mod parity;
mod text;
