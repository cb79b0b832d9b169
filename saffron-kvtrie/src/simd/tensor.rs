//! Between burn's tensors and slices.

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

/// The numbers behind a float32 tensor of the `flex` backend that does not track gradients; none for any other.
#[must_use]
pub fn flex<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    if tensor.dtype() != DType::F32 {
        return None;
    }
    tensor.clone().try_into_primitive::<Flex>().ok()
}

/// A tensor from a buffer.
///
/// # Shapes
///
/// - values: `shape`, row-major
#[must_use]
pub fn flex_tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(FlexTensor::from_data(TensorData::new(values, shape)))
}

/// Reads a tensor's entries wherever its layout has them.
///
/// The result is the storage from the tensor's first entry on, and the distance between neighbours along each axis.
#[must_use]
pub fn host<const D: usize>(tensor: &FlexTensor) -> Option<(&[f32], [usize; D])> {
    let layout = tensor.layout();
    let strides: Vec<usize> =
        layout.strides().iter().map(|stride| usize::try_from(*stride)).collect::<Result<_, _>>().ok()?;
    Some((&tensor.storage::<f32>()[layout.start_offset()..], strides.try_into().ok()?))
}
