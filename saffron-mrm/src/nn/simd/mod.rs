//! The decoder's operations on the `flex` backend in float32, where a step has few rows: memory is then the limit, and every operation of
//! its own costs more than its arithmetic. Each has a twin in burn's operations that serves all other backends, types and sizes; each
//! returns none when it is not for these tensors.

mod heads;
mod norm;
mod product;
mod right;

pub(super) use heads::split_heads;
pub(super) use norm::rms_norm;
pub(super) use product::{gated, linear, logits};
