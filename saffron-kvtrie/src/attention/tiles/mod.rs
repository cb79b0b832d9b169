//! Attention on the `flex` backend, straight from the pools: a tile of query rows walks over the
//! slots that any of them sees. Nothing is gathered, padded or expanded; what several rows share is
//! read once a tile, whatever the shape of their tree. What lies before the windows of all its rows
//! is not read.

mod attend;
mod cap;
mod few;
mod many;
mod plan;
mod state;
mod task;

pub(super) use plan::{Tiles, plan};

/// Query rows of a tile, heads of a group included.
const LANES: usize = 16;

/// A number for every lane.
type Lane = [f32; LANES];

/// Keys of a block: they are scored, weighed and mixed together.
const BLOCK: usize = 64;

/// A score that vanishes beside any other.
const HIDDEN: f32 = -1e30;
