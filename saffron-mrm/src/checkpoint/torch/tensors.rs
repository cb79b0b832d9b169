//! A dictionary of tensors in an archive: `adapter_model.bin`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::grammar::{self, Header};
use super::{LoadError, TensorSource, floats, refuse};

/// The largest archive. Storages are read one by one.
const MAX_ARCHIVE: u64 = 1 << 40;
/// The largest pickle: a tensor takes some 200 bytes of it.
const MAX_PROGRAM: u64 = 4 << 20;
const MAX_TENSORS: usize = 1 << 16;

/// What was expected, for errors.
const EXPECTED: &str = "a dictionary of tensors by name, f32, f16 or bf16, each with a storage of its own";

/// An open archive whose tensors are still on disk.
#[derive(Debug)]
pub(crate) struct TorchTensors {
    path: PathBuf,
    archive: Archive,
    tensors: BTreeMap<String, Header>,
}

impl TorchTensors {
    /// Opens an archive and recognises its pickle, which is not run.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let wrong = |found| refuse(path, EXPECTED, found);
        let mut archive = Archive::open(path, MAX_ARCHIVE)?.map_err(wrong)?;
        let mut read = || {
            archive.check_order()?;
            let found = grammar::tensors(&archive.program(MAX_PROGRAM)?, MAX_TENSORS)?;
            let count = found.len();
            let tensors: BTreeMap<String, Header> = found.into_iter().collect();
            match tensors.len() == count {
                true => Ok(tensors),
                false => Err(String::from("a name that comes twice")),
            }
        };
        let tensors = read().map_err(wrong)?;
        Ok(Self { path: path.to_path_buf(), archive, tensors })
    }
}

impl TensorSource for TorchTensors {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(|header| header.shape.clone())
    }

    fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        let Some(header) = self.tensors.get(name) else {
            return Err(LoadError::field(&self.path, name, "a tensor of this name", "none"));
        };
        let data = self.archive.storage(&header.key, header.elements(), header.size());
        let data = data.map_err(|found| refuse(&self.path, EXPECTED, found))?;
        floats(header.dtype, &data).ok_or_else(|| LoadError::field(&self.path, name, "floats", "booleans"))
    }
}
