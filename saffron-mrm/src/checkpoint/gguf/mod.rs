//! GGUF files: llama.cpp's single-file checkpoints, with sizes, tokenizer and chat template in their metadata.
//!
//! The format is read and its tensors are widened by candle-core. Here stands what that leaves open: what a hostile file must not get away with
//! ([`audit`]), and what the file's names, sizes and tokenizer are called in Hugging Face's layout, which the rest of the crate knows.

mod audit;
mod metadata;
mod names;
mod sizes;
mod tokenizer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, TensorInfo};

use self::metadata::Metadata;
use super::tensors::TensorSource;
use crate::LoadError;
use crate::config::DecoderConfig;
use crate::text::{ChatTemplate, TokenizerParts};

/// The first bytes of a GGUF.
const MAGIC: &[u8; 4] = b"GGUF";

/// An open GGUF of a Llama-family model: its header is checked, its tensors still on disk.
#[derive(Debug)]
pub(super) struct GgufFile {
    path: PathBuf,
    file: BufReader<File>,
    content: Content,
    /// Hugging Face's names of tensors, with the file's own.
    names: BTreeMap<String, String>,
    config: DecoderConfig,
}

impl GgufFile {
    /// Opens a file and checks its header against its length.
    ///
    /// # Errors
    ///
    /// Anything but a GGUF of versions 2 or 3; counts and lengths that do not fit the file, or more metadata than any model has; a model that
    /// is none of the Llama family; types of tensors that are not read.
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let audit = audit::audit(path)?;
        let mut file = BufReader::new(File::open(path).map_err(LoadError::io(path))?);
        let content = Content::read(&mut file).map_err(refuse(path))?;
        audit.check(path, &content)?;
        let metadata = Metadata::new(path, &content);
        let frequencies = content.tensor_infos.get(names::FREQUENCIES);
        let frequencies =
            frequencies.map(|info| floats(path, &mut file, &content, names::FREQUENCIES, info)).transpose()?;
        let config = sizes::config(&metadata, frequencies.as_deref())?;
        let own = content.tensor_infos.keys().filter(|name| *name != names::FREQUENCIES);
        let names = own.map(|name| (names::hugging_face(name), name.clone())).collect();
        Ok(Self { path: path.to_path_buf(), file, content, names, config })
    }

    /// The sizes of its model.
    pub(super) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Its tokenizer, as the files of a checkpoint directory would have it.
    ///
    /// # Errors
    ///
    /// A tokenizer of a kind that is not known, by name.
    pub(super) fn tokenizer(&self) -> Result<TokenizerParts, LoadError> {
        tokenizer::parts(&Metadata::new(&self.path, &self.content))
    }

    /// Its chat template, if it has one.
    ///
    /// # Errors
    ///
    /// A template that is none.
    pub(super) fn chat_template(&self) -> Result<Option<ChatTemplate>, LoadError> {
        let metadata = Metadata::new(&self.path, &self.content);
        let Some(source) = metadata.text("tokenizer.chat_template")? else { return Ok(None) };
        let mut template = ChatTemplate::new(source)
            .map_err(|error| LoadError::Layout { name: self.path.display().to_string(), reason: error.to_string() })?;
        for (name, key) in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")] {
            if let Some((_, text)) = metadata.token(key)? {
                template = template.with_token(format!("{name}_token"), text);
            }
        }
        Ok(Some(template))
    }
}

impl TensorSource for GgufFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let info = self.content.tensor_infos.get(self.names.get(name)?)?;
        Some(info.shape.dims().to_vec())
    }

    fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        let Some((own, info)) = self.names.get(name).and_then(|own| Some((own, self.content.tensor_infos.get(own)?)))
        else {
            return Err(LoadError::field(&self.path, name, "a tensor of this name", "none"));
        };
        let values = floats(&self.path, &mut self.file, &self.content, own, info)?;
        let Some(heads) = names::rotary_heads(name, &self.config) else { return Ok(values) };
        let rows = heads * self.config.head_dim;
        if values.len().is_multiple_of(rows) {
            return Ok(names::halves_apart(&values, heads, self.config.head_dim));
        }
        Err(LoadError::field(&self.path, name, format!("a multiple of {rows} values"), values.len()))
    }
}

/// A tensor's values, widened.
fn floats(
    path: &Path,
    file: &mut BufReader<File>,
    content: &Content,
    name: &str,
    info: &TensorInfo,
) -> Result<Vec<f32>, LoadError> {
    let mut read = || {
        let tensor = info.read(file, content.tensor_data_offset, &Device::Cpu)?;
        tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()
    };
    read().map_err(|error| LoadError::field(path, name, "values that can be widened", error))
}

fn refuse(path: &Path) -> impl FnOnce(candle_core::Error) -> LoadError + '_ {
    move |error| LoadError::Gguf { path: path.to_path_buf(), source: error.to_string().into() }
}
