//! Stands in for the operations of training on the `flex` backend where they are not built: everything takes burn's operations.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::view::View;
use super::{HeadNorms, HeadShape, RopeRows};
use crate::config::Activation;

pub(crate) fn serves(_: &Tensor<2>) -> bool {
    false
}

pub(crate) fn gated(_: &Tensor<2>, _: Activation) -> Option<Tensor<2>> {
    None
}

pub(crate) fn rms_norm(_: &Tensor<2>, _: &Tensor<2>, _: f64) -> Option<Tensor<2>> {
    None
}

pub(crate) fn head_norms(_: &Tensor<2>, _: &HeadNorms, _: &HeadShape) -> Option<Tensor<2>> {
    None
}

pub(crate) fn attention(_: &Tensor<2>, _: Option<&RopeRows>, _: &HeadShape, _: &Arc<View>) -> Option<Tensor<2>> {
    None
}
