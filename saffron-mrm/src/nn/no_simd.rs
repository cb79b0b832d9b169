//! Stands in for the kernels of the `flex` backend where it is not built: nothing is for them, everything takes burn's operations.

use burn::tensor::Tensor;
use saffron_core::numeric::tanh;

use super::{HeadNorms, HeadShape, RopeRows};
use crate::config::Activation;

pub(crate) fn linear(_: &Tensor<2>, _: &Tensor<2>, _: Option<&Tensor<2>>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn gated(_: &Tensor<2>, _: &Tensor<2>, _: Activation) -> Option<Tensor<2>> {
    None
}

pub(crate) fn gate(_: &Tensor<2>, _: Activation) -> Option<Tensor<2>> {
    None
}

pub(crate) fn logits(_: &Tensor<2>, _: &Tensor<2>) -> Option<Vec<f32>> {
    None
}

pub(crate) fn rms_norm(_: &Tensor<2>, _: &Tensor<2>, _: f64) -> Option<Tensor<2>> {
    None
}

pub(crate) fn split_heads(
    _: &Tensor<2>,
    _: Option<&HeadNorms>,
    _: Option<&RopeRows>,
    _: &HeadShape,
) -> Option<(Tensor<4>, Tensor<3>, Tensor<3>)> {
    None
}

pub(crate) fn beside_threads<T: Send>(_: &Tensor<2>, pass: impl FnOnce() -> T + Send) -> T {
    pass()
}

pub(crate) fn serves(_: &Tensor<2>) -> bool {
    false
}

pub(crate) fn bound(logits: &mut [f32], divisor: f32, cap: Option<f32>) {
    match cap {
        Some(cap) => logits.iter_mut().for_each(|x| *x = cap * tanh(*x / divisor / cap)),
        None => logits.iter_mut().for_each(|x| *x /= divisor),
    }
}
