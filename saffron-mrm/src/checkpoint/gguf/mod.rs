//! GGUF files: llama.cpp's checkpoints, with sizes, tokenizer and chat template in their metadata,
//! in one file or split into several.
//!
//! The format is read and its tensors are widened by candle-core. Here stands what that leaves open: what a hostile file must not get away with
//! ([`audit`]), and what the file's names, sizes and tokenizer are called in Hugging Face's layout, which the rest of the crate knows.

mod audit;
#[cfg(feature = "hub")]
mod begun;
mod metadata;
mod names;
mod part;
mod rope;
mod sizes;
mod split;
mod tokenizer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[cfg(feature = "hub")]
use candle_core::quantized::gguf_file::Content;

#[cfg(feature = "hub")]
pub(crate) use self::begun::look;
use self::metadata::Metadata;
use self::part::Part;
use super::tensors::TensorSource;
use crate::config::DecoderConfig;
use crate::error::LoadError;
use crate::text::{ChatTemplate, TokenizerParts};

/// The first bytes of a GGUF.
const MAGIC: &[u8; 4] = b"GGUF";
const TEMPLATE: &str = "tokenizer.chat_template";

/// An open GGUF of a Llama, in one file or in several: headers are checked, tensors
/// still on disk.
#[derive(Debug)]
pub(super) struct GgufFile {
    /// The path that was opened.
    path: PathBuf,
    /// The files, in order. The metadata is the first one's.
    parts: Vec<Part>,
    /// Hugging Face's names of tensors.
    tensors: BTreeMap<String, Place>,
    config: DecoderConfig,
}

/// Where a tensor is.
#[derive(Debug)]
struct Place {
    part: usize,
    /// Its name there.
    name: String,
}

impl GgufFile {
    /// Opens a file and checks its header against its length. Of a file that was split all parts
    /// are opened, whichever is named.
    ///
    /// # Errors
    ///
    /// Anything but a GGUF of versions 2 or 3; counts and lengths that do not fit the file, or more
    /// metadata than any model has; a model of another family than Llama; types of tensors that
    /// are not read; parts that are missing or do not belong together.
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let mut parts = split::open(path)?;
        let shapes = Shapes::of(&parts);
        let frequencies = parts.iter_mut().find(|part| part.content.tensor_infos.contains_key(names::FREQUENCIES));
        let frequencies = frequencies.map(|part| part.floats(names::FREQUENCIES)).transpose()?;
        let metadata = Metadata::new(&parts[0].path, &parts[0].content);
        let config = sizes::config(&metadata, &shapes, frequencies.as_deref())?;
        let own = parts.iter().enumerate().flat_map(|(part, file)| {
            file.content.tensor_infos.keys().map(move |name| Place { part, name: name.clone() })
        });
        let own = own.filter(|place| place.name != names::FREQUENCIES);
        let tensors = own.map(|place| (names::hugging_face(&place.name), place)).collect();
        Ok(Self { path: path.to_path_buf(), parts, tensors, config })
    }

    /// Its files, in order.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.parts.iter().map(|part| part.path.clone()).collect()
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
        tokenizer::parts(&self.metadata())
    }

    /// Its chat template, if it has one.
    ///
    /// # Errors
    ///
    /// A template that cannot be parsed.
    pub(super) fn chat_template(&self) -> Result<Option<ChatTemplate>, LoadError> {
        template(&self.metadata())
    }

    /// The text of the token of a role, such as `bos`, if it names one.
    ///
    /// # Errors
    ///
    /// An id that is none.
    pub(super) fn token_text(&self, role: &str) -> Result<Option<&str>, LoadError> {
        Ok(self.metadata().token(role)?.map(|(_, text)| text))
    }

    /// The text of its chat template as the file holds it.
    ///
    /// # Errors
    ///
    /// A value that is no text.
    pub(super) fn chat_template_source(&self) -> Result<Option<&str>, LoadError> {
        self.metadata().text(TEMPLATE)
    }

    fn metadata(&self) -> Metadata<'_> {
        Metadata::new(&self.parts[0].path, &self.parts[0].content)
    }
}

fn template(metadata: &Metadata<'_>) -> Result<Option<ChatTemplate>, LoadError> {
    let Some(source) = metadata.text(TEMPLATE)? else { return Ok(None) };
    let mut template = ChatTemplate::new(source).map_err(|error| LoadError::Layout {
        name: metadata.path().display().to_string(),
        reason: error.to_string(),
    })?;
    for (name, key) in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")] {
        if let Some((_, text)) = metadata.token(key)? {
            template = template.with_token(format!("{name}_token"), text);
        }
    }
    Ok(Some(template))
}

impl TensorSource for GgufFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let place = self.tensors.get(name)?;
        let info = self.parts[place.part].content.tensor_infos.get(&place.name)?;
        Some(info.shape.dims().to_vec())
    }

    fn read_f32(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        let Some(place) = self.tensors.get(name) else {
            return Err(LoadError::field(&self.path, name, "a tensor of this name", "none"));
        };
        let values = self.parts[place.part].floats(&place.name)?;
        let Some(heads) = names::rotary_heads(name, &self.config) else { return Ok(values) };
        let rows = heads * self.config.head_dim;
        if values.len().is_multiple_of(rows) {
            return Ok(names::halves_apart(&values, heads, self.config.head_dim));
        }
        Err(LoadError::field(&self.path, name, format!("a multiple of {rows} values"), values.len()))
    }
}

/// The shapes of all tensors, by the names that they have in the files.
pub(super) struct Shapes(BTreeMap<String, Vec<usize>>);

impl Shapes {
    fn of(parts: &[Part]) -> Self {
        let infos = parts.iter().flat_map(|part| &part.content.tensor_infos);
        Self(infos.map(|(name, info)| (name.clone(), info.shape.dims().to_vec())).collect())
    }

    /// Those of one file.
    #[cfg(feature = "hub")]
    fn of_content(content: &Content) -> Self {
        Self(content.tensor_infos.iter().map(|(name, info)| (name.clone(), info.shape.dims().to_vec())).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&[usize]> {
        self.0.get(name).map(Vec::as_slice)
    }
}
