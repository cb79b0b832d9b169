//! What a model of a checkpoint will take in [memory](crate::memory), computed from headers.

mod adapter;
mod estimate;
mod held;
