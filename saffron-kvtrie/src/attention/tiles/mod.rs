//! Attention on the `flex` backend, straight from the pools: a tile of query rows walks over the slots that any of them sees. Nothing is
//! gathered, padded or expanded; what several rows share is read once a tile, whatever the shape of their tree.

mod kernel;
mod plan;

pub(super) use kernel::attend;
pub(super) use plan::{Tile, plan};

/// Query rows of a tile, heads of a group included.
const LANES: usize = 16;
