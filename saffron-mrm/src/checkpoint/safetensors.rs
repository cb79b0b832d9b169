//! One safetensors file, read tensor by tensor. Header checks are the `safetensors` crate's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use super::tensors::TensorSource;
use crate::error::LoadError;
use crate::files::open_regular;

/// The largest header. A decoder of 4,096 layers has one of 6 MB; one takes about ten times its
/// bytes in memory. The format's own cap is 100 MB.
const MAX_HEADER: u64 = 16 << 20;

/// An open safetensors file: its header is checked, its tensors still on disk.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: File,
    data_start: u64,
    tensors: BTreeMap<String, TensorInfo>,
}

impl SafetensorsFile {
    /// Opens a file and checks its header against its length.
    ///
    /// # Errors
    ///
    /// A header that is larger than the file, no JSON, or does not describe the bytes there are.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let (mut file, length) = open_regular(path)?;
        let wrong_length =
            |what, expected| LoadError::Length { path: path.to_path_buf(), what, expected, found: length };
        if length < 8 {
            return Err(wrong_length("the header's length", 8));
        }
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(LoadError::io(path))?;
        let size = u64::from_le_bytes(size);
        if size > length - 8 {
            return Err(wrong_length("the header", size.saturating_add(8)));
        }
        if size > MAX_HEADER {
            return Err(LoadError::TooLarge { path: path.to_path_buf(), found: size, limit: MAX_HEADER });
        }
        let mut header = vec![0; size as usize];
        file.read_exact(&mut header).map_err(LoadError::io(path))?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|source| LoadError::Safetensors { path: path.to_path_buf(), source: source.into() })?;
        let expected = (8 + size).saturating_add(metadata.data_len() as u64);
        if expected != length {
            return Err(wrong_length("the whole", expected));
        }
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        Ok(Self { path: path.to_path_buf(), file, data_start: 8 + size, tensors })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor's shape, if the file has it.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|info| info.shape.as_slice())
    }

    /// A tensor's element type, if the file has it.
    #[must_use]
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|info| info.dtype)
    }

    /// A floating-point tensor, widened to float32.
    ///
    /// # Errors
    ///
    /// A tensor that is not there, or of another type than f32, f16, bf16.
    pub fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        let (dtype, bytes) = self.read_bytes(name)?;
        floats(dtype, &bytes)
            .ok_or_else(|| LoadError::field(&self.path, name, "dtype F32, F16 or BF16", format!("{dtype:?}")))
    }

    /// A boolean tensor.
    ///
    /// # Errors
    ///
    /// A tensor that is not there, or of another type.
    pub fn read_bool(&mut self, name: &str) -> Result<Vec<bool>, LoadError> {
        let (dtype, bytes) = self.read_bytes(name)?;
        if dtype != Dtype::BOOL {
            return Err(LoadError::field(&self.path, name, "dtype BOOL", format!("{dtype:?}")));
        }
        Ok(bytes.into_iter().map(|byte| byte != 0).collect())
    }

    fn read_bytes(&mut self, name: &str) -> Result<(Dtype, Vec<u8>), LoadError> {
        let Some(info) = self.tensors.get(name) else {
            return Err(LoadError::field(&self.path, name, "a tensor of this name", "none"));
        };
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        self.file.seek(SeekFrom::Start(self.data_start + start as u64)).map_err(LoadError::io(&self.path))?;
        self.file.read_exact(&mut bytes).map_err(LoadError::io(&self.path))?;
        Ok((info.dtype, bytes))
    }
}

impl TensorSource for SafetensorsFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        SafetensorsFile::names(self).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        SafetensorsFile::shape(self, name).map(<[usize]>::to_vec)
    }

    fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        SafetensorsFile::read_f32(self, name)
    }
}

/// The error of the library, whose messages repeat their causes.
pub(crate) fn failed(path: &Path) -> impl FnOnce(SafeTensorError) -> LoadError + '_ {
    move |error| LoadError::Safetensors { path: path.to_path_buf(), source: error.to_string().into() }
}

/// Little-endian floats of a type, widened; none for types that are no floats.
pub(crate) fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let halves = || bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    match dtype {
        Dtype::F32 => {
            Some(bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect())
        }
        Dtype::F16 => Some(halves().map(|pair| f16::from_le_bytes(pair).to_f32()).collect()),
        Dtype::BF16 => Some(halves().map(|pair| bf16::from_le_bytes(pair).to_f32()).collect()),
        _ => None,
    }
}
