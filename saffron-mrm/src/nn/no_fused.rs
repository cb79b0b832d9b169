//! Stands in for the operations of training on the `flex` backend where they are not built: everything takes burn's operations.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::RopeRows;
use super::view::View;
use crate::config::DecoderConfig;

pub(crate) fn serves(_: &Tensor<2>) -> bool {
    false
}

pub(crate) fn swiglu(_: &Tensor<2>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn rms_norm(_: &Tensor<2>, _: &Tensor<2>, _: f64) -> Option<Tensor<2>> {
    None
}

pub(crate) fn attention(_: &Tensor<2>, _: &RopeRows, _: &DecoderConfig, _: &Arc<View>) -> Option<Tensor<2>> {
    None
}
