//! The decoder's operations in training on the `flex` backend in float32: few passes over memory, with derivatives by hand. Each has a
//! twin in burn's operations that serves all other backends and types, and each returns none when it is not for these tensors.
//!
//! A derivative keeps the operation's input and computes the rest of what it needs again. Work is split the same way whatever the number
//! of threads.

mod attention;
mod gated;
mod head;
mod head_norms;
mod matrix;
mod norm;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

pub(super) use attention::attention;
pub(super) use gated::gated;
pub(super) use head_norms::head_norms;
pub(super) use norm::rms_norm;

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

/// Whether the operations here are for this tensor.
pub(super) fn serves(x: &Tensor<2>) -> bool {
    x.dtype() == DType::F32 && x.clone().try_into_primitive::<Autodiff<Flex>>().is_ok()
}

/// A function of one matrix, row-major, and its derivative.
trait Function: Clone + Debug + Send + 'static {
    /// Value and shape.
    fn forward(&self, x: &[f32]) -> (Vec<f32>, [usize; 2]);

    /// The gradient of the input, of the input's shape, by that of the value.
    fn backward(&self, x: &[f32], gradient: &[f32]) -> Vec<f32>;
}

/// A function's value, which knows how to pass its gradient on.
fn record<F: Function>(function: F, x: &Tensor<2>) -> Option<Tensor<2>> {
    if x.dtype() != DType::F32 {
        return None;
    }
    let (x, node) = x.clone().try_into_primitive::<Autodiff<Flex>>().ok()?.into_parts();
    let x = x.to_contiguous();
    let (value, shape) = function.forward(x.as_slice()?);
    let value = FlexTensor::from_data(TensorData::new(value, shape));
    let step = Step(PhantomData::<F>).prepare::<NoCheckpointing>([node]);
    let value = match step.compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish((x, function), value),
        OpsKind::UnTracked(step) => step.finish(value),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(value))
}

/// The numbers behind a tensor that has no gradient.
fn constant<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    if tensor.dtype() != DType::F32 {
        return None;
    }
    let tensor = tensor.clone().try_into_primitive::<Autodiff<Flex>>().ok()?;
    if tensor.is_tracked() { None } else { Some(tensor.into_primitive().to_contiguous()) }
}

#[derive(Debug)]
struct Step<F>(PhantomData<F>);

impl<F: Function> Backward<Flex, 1> for Step<F> {
    type State = (FlexTensor, F);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (x, function) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let gradient = gradient.to_contiguous();
            // Both were made contiguous.
            let (values, gradient) = (x.as_slice().unwrap_or_default(), gradient.as_slice().unwrap_or_default());
            let gradient = function.backward(values, gradient);
            FlexTensor::from_data(TensorData::new(gradient, x.layout().shape().clone()))
        });
    }
}
