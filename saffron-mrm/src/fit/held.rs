//! How many bytes a stored tensor takes in memory.

use burn::tensor::DType;

use crate::checkpoint::TensorSource;

/// Bytes of a tensor as a decoder of type `dtype` will hold it. Nothing but the source's header is
/// read.
///
/// Norms stay in float32 and are held twice at most: as stored, and as what is multiplied by. Every
/// other tensor is converted to `dtype`, whatever its stored type.
pub(super) fn held_bytes(source: &dyn TensorSource, name: &str, dtype: DType) -> u64 {
    let shape = source.shape(name).unwrap_or_default();
    let is_norm = shape.len() == 1 && name.ends_with(".weight");
    let size = if is_norm { 2 * DType::F32.size() } else { dtype.size() };
    values(&shape).saturating_mul(size as u64)
}

/// Values of a tensor.
pub(super) fn values(shape: &[usize]) -> u64 {
    shape.iter().fold(1u64, |values, size| values.saturating_mul(*size as u64))
}
