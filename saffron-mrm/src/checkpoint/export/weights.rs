//! Weights on their way from one checkpoint into another's file, tensor by tensor.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::View;

use crate::checkpoint::parts::{Kind, write_parts};
use crate::checkpoint::tensors::TensorSource;
use crate::checkpoint::weights::checked_tensors;
use crate::config::DecoderConfig;
use crate::error::LoadError;

/// Writes the tensors of a decoder into one safetensors file.
pub(super) fn write(
    tensors: Box<dyn TensorSource>,
    config: &DecoderConfig,
    kind: Kind,
    path: &Path,
) -> Result<(), LoadError> {
    let shapes = checked_tensors(&*tensors, config)?;
    let reader = Reader { tensors: RefCell::new(tensors), failed: RefCell::new(None), kind };
    let lazy = |(name, shape): (String, Vec<usize>)| (name.clone(), Lazy { reader: &reader, name, shape });
    let written = write_parts(shapes.into_iter().map(lazy), path);
    match reader.failed.into_inner() {
        Some(error) => Err(error),
        None => written,
    }
}

/// Reads and rounds tensors for a writer that takes no errors. Keeps the first one, and reads
/// nothing after it.
struct Reader {
    tensors: RefCell<Box<dyn TensorSource>>,
    failed: RefCell<Option<LoadError>>,
    kind: Kind,
}

impl Reader {
    fn bytes(&self, name: &str, size: usize) -> Vec<u8> {
        if self.failed.borrow().is_some() {
            return Vec::new();
        }
        self.read(name, size).unwrap_or_else(|error| {
            *self.failed.borrow_mut() = Some(error);
            Vec::new()
        })
    }

    fn read(&self, name: &str, size: usize) -> Result<Vec<u8>, LoadError> {
        let mut tensors = self.tensors.borrow_mut();
        let values = tensors.read_f32(name)?;
        let refuse = |expected: String, found: String| Err(LoadError::field(tensors.path(), name, expected, found));
        if values.len() != size {
            return refuse(format!("{size} values"), values.len().to_string());
        }
        let overflows = |value: &&f32| value.is_finite() && f16::from_f32(**value).is_infinite();
        match values.iter().find(overflows) {
            Some(value) if self.kind.file() == Dtype::F16 => {
                refuse(format!("values that f16 can hold, up to {}", f16::MAX), value.to_string())
            }
            _ => Ok(self.kind.bytes(values)),
        }
    }
}

/// A tensor of the file, read when it is written.
struct Lazy<'a> {
    reader: &'a Reader,
    name: String,
    shape: Vec<usize>,
}

impl Lazy<'_> {
    fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

impl View for Lazy<'_> {
    fn dtype(&self) -> Dtype {
        self.reader.kind.file()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.reader.bytes(&self.name, self.size()))
    }

    fn data_len(&self) -> usize {
        self.size() * self.reader.kind.size()
    }
}
