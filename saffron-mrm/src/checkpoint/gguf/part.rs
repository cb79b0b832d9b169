//! One file of a checkpoint.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::gguf_file::Content;

use super::audit::audit;
use crate::error::LoadError;
use crate::files::open_regular;

/// An open file: its header is checked against its length.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) content: Content,
    file: BufReader<File>,
}

impl Part {
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let audit = audit(path)?;
        let mut file = BufReader::new(open_regular(path)?.0);
        let content = Content::read(&mut file)
            .map_err(|error| LoadError::Gguf { path: path.to_path_buf(), source: error.to_string().into() })?;
        audit.check(path, &content)?;
        Ok(Self { path: path.to_path_buf(), content, file })
    }

    /// The values of a tensor, widened.
    pub(super) fn floats(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        let Some(info) = self.content.tensor_infos.get(name) else {
            return Err(LoadError::field(&self.path, name, "a tensor of this name", "none"));
        };
        let mut read = || {
            let tensor = info.read(&mut self.file, self.content.tensor_data_offset, &Device::Cpu)?;
            tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()
        };
        read().map_err(|error| LoadError::field(&self.path, name, "values that can be widened", error))
    }
}
