//! GGUF files: llama.cpp's checkpoints, with sizes, tokenizer and chat template in their metadata,
//! in one file or split into several.
//!
//! The format is read and its tensors are widened by candle-core. Here stands what that leaves
//! open: what a hostile file must not get away with ([`audit`]), and what the file's names and
//! tokenizer are called in Hugging Face's layout, which the rest of the crate knows. What an
//! architecture's keys come to stands in the table of [families](crate::family).

mod audit;
#[cfg(feature = "hub")]
mod begun;
mod ends;
pub(super) mod names;
mod part;
mod split;
pub(super) mod tokenizer;
pub(super) mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{Content, Value};

#[cfg(feature = "hub")]
pub(crate) use self::begun::look;
use self::part::Part;
use super::tensors::TensorSource;
use crate::config::{DecoderConfig, Metadata, NormWeights};
use crate::error::LoadError;
use crate::family::{Architecture, Pairs, Tensors};
use crate::text::{ChatTemplate, TokenizerParts};

/// The first bytes of a GGUF.
const MAGIC: &[u8; 4] = b"GGUF";
pub(super) const TEMPLATE: &str = "tokenizer.chat_template";

/// An open GGUF, in one file or in several: headers are checked, tensors
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
    /// How the rows of queries and keys stand.
    pairs: Pairs,
    /// Divisors of rotary frequencies, by their tensors' names.
    divisors: BTreeMap<String, Vec<f32>>,
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
    /// metadata than any model has; a model of an unknown architecture; types of tensors that
    /// are not read; parts that are missing or do not belong together.
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let mut parts = split::open(path)?;
        let architecture = Architecture::of(&metadata(&parts))?;
        let mut tensors = Tensors { shapes: shapes(parts.iter().map(|part| &part.content)), ..Tensors::default() };
        for part in &mut parts {
            for name in architecture.divisors() {
                if part.content.tensor_infos.contains_key(*name) {
                    tensors.divisors.insert((*name).to_owned(), part.floats(name)?);
                }
            }
        }
        let config = config(architecture, &metadata(&parts), &tensors)?;
        let own = parts.iter().enumerate().flat_map(|(part, file)| {
            file.content.tensor_infos.keys().map(move |name| Place { part, name: name.clone() })
        });
        let own = own.filter(|place| !tensors.divisors.contains_key(&place.name));
        let places = own.map(|place| (names::hugging_face(&place.name, &config), place)).collect();
        let (path, pairs) = (path.to_path_buf(), architecture.pairs());
        Ok(Self { path, parts, tensors: places, config, pairs, divisors: tensors.divisors })
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

    /// All of its metadata, but for what is about its own tensors: how they are stored and split.
    pub(super) fn fields(&self) -> BTreeMap<String, Value> {
        let own = ["general.file_type", "general.quantization_version", "general.alignment"];
        let kept = self.parts[0].content.metadata.iter();
        let kept = kept.filter(|(key, _)| !own.contains(&&key[..]) && !key.starts_with("split."));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The divisors of rotary frequencies that it holds, by their tensors' names.
    pub(super) fn divisors(&self) -> &BTreeMap<String, Vec<f32>> {
        &self.divisors
    }

    /// The texts of all its chat templates.
    pub(super) fn template_sources(&self) -> Result<Vec<String>, LoadError> {
        tokenizer::template_sources(&self.metadata())
    }

    fn metadata(&self) -> Metadata<'_> {
        metadata(&self.parts)
    }
}

/// The metadata of a checkpoint: its first part's.
fn metadata(parts: &[Part]) -> Metadata<'_> {
    Metadata::new(&parts[0].path, &parts[0].content)
}

/// The description of a file's decoder, checked.
fn config(architecture: Architecture, metadata: &Metadata<'_>, tensors: &Tensors) -> Result<DecoderConfig, LoadError> {
    let mut config = architecture.config(metadata, tensors)?;
    config.eos_token_ids = ends::ends(metadata)?;
    config.check(metadata.path())?;
    Ok(config)
}

/// The shapes of all tensors, by the names that they have in the files.
fn shapes<'a>(contents: impl Iterator<Item = &'a Content>) -> BTreeMap<String, Vec<usize>> {
    let infos = contents.flat_map(|content| &content.tensor_infos);
    infos.map(|(name, info)| (name.clone(), info.shape.dims().to_vec())).collect()
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
        let mut values = self.parts[place.part].floats(&place.name)?;
        if self.config.choices.norm_weights == NormWeights::OnePlus && names::is_norm(name) {
            // Stored are the multipliers, the 1 included.
            values.iter_mut().for_each(|value| *value -= 1.0);
        }
        if self.pairs == Pairs::Apart {
            return Ok(values);
        }
        let Some(heads) = names::rotary_heads(name, &self.config) else { return Ok(values) };
        let rows = heads * self.config.head_dim;
        if values.len().is_multiple_of(rows) {
            return Ok(names::halves_apart(&values, heads, self.config.head_dim));
        }
        Err(LoadError::field(&self.path, name, format!("a multiple of {rows} values"), values.len()))
    }
}
