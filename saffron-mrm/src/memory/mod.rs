//! Does a model fit into memory? Estimates from headers alone, before any weights are read.
//!
//! The library reads no machine state: a program says how many bytes there are
//! ([`ModelOptions::memory_limit`](crate::ModelOptions::memory_limit)), and a model that needs more
//! is refused with [`LoadError::Memory`](crate::LoadError::Memory). [`BaseFiles::memory`](crate::BaseFiles::memory)
//! gives the estimate; [`MemoryPlan`] adds those of several models.

mod estimate;
mod plan;

pub use estimate::{MemoryError, MemoryEstimate};
pub use plan::MemoryPlan;
