//! A GGUF, written tensor by tensor. candle-core's own writer takes all tensors at once, which would
//! hold a whole model in memory; it quantises here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use candle_core::Device;
use candle_core::Tensor;
use candle_core::quantized::gguf_file::{Value, ValueType};
use candle_core::quantized::{GgmlDType, QTensor};
use half::f16;

use super::MAGIC;
use crate::error::LoadError;

const VERSION: u32 = 3;
/// Where a tensor may begin.
const ALIGNMENT: u64 = 32;
/// Values of a row that share a scale.
pub(in crate::checkpoint) const BLOCK: usize = 32;

/// The type of a tensor in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum Stored {
    F32,
    F16,
    Q8,
}

impl Stored {
    fn dtype(self) -> GgmlDType {
        match self {
            Self::F32 => GgmlDType::F32,
            Self::F16 => GgmlDType::F16,
            Self::Q8 => GgmlDType::Q8_0,
        }
    }

    /// The format's number for it.
    fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8 => 8,
        }
    }

    /// Bytes of so many values.
    fn size(self, values: usize) -> u64 {
        (values / self.dtype().block_size()) as u64 * self.dtype().type_size() as u64
    }

    /// The largest value that it holds.
    fn most(self) -> f32 {
        match self {
            Self::F32 => f32::INFINITY,
            Self::F16 => f32::from(f16::MAX),
            // The scale of a block is an f16, and its largest value is 127 scales.
            Self::Q8 => f32::from(f16::MAX) * 127.0,
        }
    }
}

/// A tensor that will be written.
#[derive(Debug)]
pub(in crate::checkpoint) struct Planned {
    /// Its name in the file.
    pub(in crate::checkpoint) name: String,
    /// Its shape, rows first.
    pub(in crate::checkpoint) shape: Vec<usize>,
    pub(in crate::checkpoint) stored: Stored,
}

impl Planned {
    fn values(&self) -> usize {
        self.shape.iter().product()
    }

    fn bytes(&self, values: Vec<f32>, path: &Path) -> Result<Vec<u8>, LoadError> {
        let refuse = |expected: String, found: String| Err(LoadError::field(path, &self.name, expected, found));
        if values.len() != self.values() {
            return refuse(format!("{} values", self.values()), values.len().to_string());
        }
        let most = self.stored.most();
        let beyond = |value: &&f32| self.stored != Stored::F32 && (value.is_nan() || value.abs() > most);
        if let Some(value) = values.iter().find(beyond) {
            return refuse(format!("values that {:?} can hold, up to {most}", self.stored.dtype()), value.to_string());
        }
        let shape = self.shape.clone();
        let quantise = || -> candle_core::Result<Vec<u8>> {
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
            Ok(QTensor::quantize(&tensor, self.stored.dtype())?.data()?.into_owned())
        };
        quantise().map_err(|error| LoadError::field(path, &self.name, "values that can be quantised", error))
    }
}

/// Writes metadata and tensors; `read` gives a tensor's values when it is written.
pub(in crate::checkpoint) fn write(
    path: &Path,
    fields: &BTreeMap<String, Value>,
    tensors: &[Planned],
    mut read: impl FnMut(&Planned) -> Result<Vec<f32>, LoadError>,
) -> Result<(), LoadError> {
    let mut head = Vec::new();
    header(&mut head, fields, tensors).map_err(LoadError::io(path))?;
    pad(&mut head);
    let mut file = BufWriter::new(File::create(path).map_err(LoadError::io(path))?);
    file.write_all(&head).map_err(LoadError::io(path))?;
    for tensor in tensors {
        let mut bytes = tensor.bytes(read(tensor)?, path)?;
        pad(&mut bytes);
        file.write_all(&bytes).map_err(LoadError::io(path))?;
    }
    let file = file.into_inner().map_err(|error| LoadError::io(path)(error.into_error()))?;
    file.sync_all().map_err(LoadError::io(path))
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
}

fn header(to: &mut Vec<u8>, fields: &BTreeMap<String, Value>, tensors: &[Planned]) -> std::io::Result<()> {
    to.write_all(MAGIC)?;
    to.write_all(&VERSION.to_le_bytes())?;
    to.write_all(&(tensors.len() as u64).to_le_bytes())?;
    to.write_all(&(fields.len() as u64).to_le_bytes())?;
    for (key, value) in fields {
        text(to, key)?;
        to.write_all(&kind(value.value_type()).to_le_bytes())?;
        field(to, value)?;
    }
    let mut begin = 0u64;
    for tensor in tensors {
        text(to, &tensor.name)?;
        to.write_all(&(tensor.shape.len() as u32).to_le_bytes())?;
        // The format has the length of a row first.
        for size in tensor.shape.iter().rev() {
            to.write_all(&(*size as u64).to_le_bytes())?;
        }
        to.write_all(&tensor.stored.number().to_le_bytes())?;
        to.write_all(&begin.to_le_bytes())?;
        begin += tensor.stored.size(tensor.values()).next_multiple_of(ALIGNMENT);
    }
    Ok(())
}

fn text(to: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    to.write_all(&(text.len() as u64).to_le_bytes())?;
    to.write_all(text.as_bytes())
}

fn field(to: &mut Vec<u8>, value: &Value) -> std::io::Result<()> {
    match value {
        Value::U8(number) => to.write_all(&number.to_le_bytes()),
        Value::I8(number) => to.write_all(&number.to_le_bytes()),
        Value::U16(number) => to.write_all(&number.to_le_bytes()),
        Value::I16(number) => to.write_all(&number.to_le_bytes()),
        Value::U32(number) => to.write_all(&number.to_le_bytes()),
        Value::I32(number) => to.write_all(&number.to_le_bytes()),
        Value::U64(number) => to.write_all(&number.to_le_bytes()),
        Value::I64(number) => to.write_all(&number.to_le_bytes()),
        Value::F32(number) => to.write_all(&number.to_le_bytes()),
        Value::F64(number) => to.write_all(&number.to_le_bytes()),
        Value::Bool(on) => to.write_all(&[u8::from(*on)]),
        Value::String(string) => text(to, string),
        Value::Array(values) => {
            // Of an empty list the type says nothing.
            let of = values.first().map_or(ValueType::U32, Value::value_type);
            to.write_all(&kind(of).to_le_bytes())?;
            to.write_all(&(values.len() as u64).to_le_bytes())?;
            values.iter().try_for_each(|value| field(to, value))
        }
    }
}

/// The format's number for a type of value.
fn kind(kind: ValueType) -> u32 {
    match kind {
        ValueType::U8 => 0,
        ValueType::I8 => 1,
        ValueType::U16 => 2,
        ValueType::I16 => 3,
        ValueType::U32 => 4,
        ValueType::I32 => 5,
        ValueType::F32 => 6,
        ValueType::Bool => 7,
        ValueType::String => 8,
        ValueType::Array => 9,
        ValueType::U64 => 10,
        ValueType::I64 => 11,
        ValueType::F64 => 12,
    }
}
