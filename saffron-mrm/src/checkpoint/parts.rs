//! Tensors on their way into a safetensors file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{DType, Tensor, TensorData};
use safetensors::Dtype;
use safetensors::tensor::View;

use super::safetensors::failed;
use crate::error::LoadError;

/// A type of weights, as each library spells it.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    burn: DType,
    file: Dtype,
    pub(super) name: &'static str,
}

impl Kind {
    /// The type that weights of the file `path` are to have.
    pub(super) fn of(dtype: DType, path: &Path) -> Result<Self, LoadError> {
        let (file, name) = match dtype {
            DType::F32 => (Dtype::F32, "float32"),
            DType::BF16 => (Dtype::BF16, "bfloat16"),
            DType::F16 => (Dtype::F16, "float16"),
            _ => return Err(LoadError::field(path, "dtype", "F32, BF16 or F16", format!("{dtype:?}"))),
        };
        Ok(Self { burn: dtype, file, name })
    }

    /// The type as safetensors spells it.
    pub(super) fn file(self) -> Dtype {
        self.file
    }

    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        self.burn.size()
    }

    /// Values as the file holds them, rounded to the nearest.
    pub(super) fn bytes(self, values: Vec<f32>) -> Vec<u8> {
        let shape = [values.len()];
        TensorData::new(values, shape).convert_dtype(self.burn).bytes().to_vec()
    }
}

/// A tensor of the file. It is read back and rounded when it is written, so that no more than one is on the host.
pub(super) struct Part {
    tensor: Tensor<2>,
    shape: Vec<usize>,
    kind: Kind,
}

impl Part {
    pub(super) fn matrix(tensor: Tensor<2>, kind: Kind) -> Self {
        Self { shape: tensor.dims().to_vec(), tensor, kind }
    }

    /// Of a tensor of one column.
    pub(super) fn vector(tensor: Tensor<2>, kind: Kind) -> Self {
        Self { shape: vec![tensor.dims()[0]], tensor, kind }
    }
}

impl View for Part {
    fn dtype(&self) -> Dtype {
        self.kind.file
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = self.tensor.to_data().convert_dtype(self.kind.burn);
        Cow::Owned(data.bytes().to_vec())
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.kind.burn.size()
    }
}

/// Writes tensors by name. The file appears whole or not at all.
pub(super) fn write_parts(parts: impl IntoIterator<Item = (String, impl View)>, path: &Path) -> Result<(), LoadError> {
    let format = HashMap::from([(String::from("format"), String::from("pt"))]);
    safetensors::serialize_to_file(parts, Some(format), path).map_err(failed(path))
}
