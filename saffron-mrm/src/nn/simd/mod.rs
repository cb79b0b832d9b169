//! The decoder's operations on the `flex` backend in float32, where a step has few rows: memory is then the limit, and every operation of
//! its own costs more than its arithmetic. Each has a twin in burn's operations that serves all other backends, types and sizes; each
//! returns none when it is not for these tensors.

use burn::tensor::Tensor;
use saffron_kvtrie::simd::flex;

mod activation;
mod bound;
mod heads;
mod norm;
mod product;
mod right;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

#[cfg(feature = "autodiff")]
pub(super) use activation::GELU;
pub(super) use bound::bound;
pub(super) use heads::split_heads;
pub(super) use norm::rms_norm;
pub(super) use product::{gate, gated, linear, logits};

/// Whether the kernels are for these weights.
pub(super) fn serves(weights: &Tensor<2>) -> bool {
    flex(weights).is_some()
}

/// Runs a forward pass where its threads are: a pass has hundreds of short parallel parts, and each would wake and put to sleep the
/// calling thread if that were not one of them. Tensors of other backends stay on the calling thread, which their streams belong to.
pub(super) fn beside_threads<T: Send>(weights: &Tensor<2>, pass: impl FnOnce() -> T + Send) -> T {
    if serves(weights) { rayon::scope(|_| pass()) } else { pass() }
}
