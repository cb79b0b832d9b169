//! Stands in for the kernels of the `flex` backend where it is not built: nothing is for them, everything takes burn's operations.

use burn::tensor::Tensor;

use super::RopeRows;
use crate::config::DecoderConfig;

pub(crate) fn linear(_: &Tensor<2>, _: &Tensor<2>, _: Option<&Tensor<2>>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn gated(_: &Tensor<2>, _: &Tensor<2>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn gate(_: &Tensor<2>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn logits(_: &Tensor<2>, _: &Tensor<2>) -> Option<Vec<f32>> {
    None
}

pub(crate) fn rms_norm(_: &Tensor<2>, _: &Tensor<2>, _: f64) -> Option<Tensor<2>> {
    None
}

pub(crate) fn split_heads(_: &Tensor<2>, _: &RopeRows, _: &DecoderConfig) -> Option<(Tensor<4>, Tensor<3>, Tensor<3>)> {
    None
}

pub(crate) fn beside_threads<T: Send>(_: &Tensor<2>, pass: impl FnOnce() -> T + Send) -> T {
    pass()
}

pub(crate) fn serves(_: &Tensor<2>) -> bool {
    false
}
