//! What a path holds: a directory in Hugging Face's layout, or a GGUF.

use std::path::{Path, PathBuf};

use saffron_core::Token;
use serde_json::{Map, Value};

#[cfg(feature = "gguf")]
use super::gguf::GgufFile;
use super::renamed;
use super::shards::Shards;
use super::tensors::TensorSource;
use crate::config::{DecoderConfig, Fields};
use crate::error::LoadError;
use crate::files::{kind_of, read_json_if_there};
use crate::text::{ChatTemplate, TextTokenizer, template_sources_of};

pub(super) const GENERATION: &str = "generation_config.json";

/// A checkpoint on disk whose weights have not been read: a directory in Hugging Face's layout or, with the feature `gguf`, a GGUF. What it says of its
/// model is to be had without loading it, for a policy that is served elsewhere, say.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Directory,
    #[cfg(feature = "gguf")]
    Gguf(Box<GgufFile>),
}

impl Checkpoint {
    /// Looks at a path.
    ///
    /// # Errors
    ///
    /// A GGUF that does not hold together; any other file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        Ok(Self { path: path.to_path_buf(), kind: Kind::of(path)? })
    }

    /// The directory or file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The sizes of its model.
    ///
    /// # Errors
    ///
    /// A `config.json` that cannot be read, or a value that the decoder does not support, by name.
    pub fn config(&self) -> Result<DecoderConfig, LoadError> {
        match &self.kind {
            Kind::Directory => DecoderConfig::from_dir(&self.path),
            #[cfg(feature = "gguf")]
            Kind::Gguf(file) => Ok(file.config().clone()),
        }
    }

    /// What the names of the text part's modules begin with, if it is the checkpoint of a multimodal
    /// model: adapters for it name them so. None for a model of text alone, and for a GGUF.
    ///
    /// # Errors
    ///
    /// As [`config`](Self::config).
    pub fn text_prefix(&self) -> Result<Option<&'static str>, LoadError> {
        match &self.kind {
            Kind::Directory => DecoderConfig::text_prefix(&self.path),
            #[cfg(feature = "gguf")]
            Kind::Gguf(_) => Ok(None),
        }
    }

    /// Its tokenizer.
    ///
    /// # Errors
    ///
    /// A tokenizer that cannot be read, or has ids that the model has no embedding for.
    pub fn tokenizer(&self) -> Result<TextTokenizer, LoadError> {
        let size = self.config()?.vocab_size;
        match &self.kind {
            Kind::Directory => TextTokenizer::from_dir(&self.path, size),
            #[cfg(feature = "gguf")]
            Kind::Gguf(file) => TextTokenizer::from_parts(file.tokenizer()?, size),
        }
    }

    /// The tokens that end a reply. Of a directory: those of `generation_config.json`, else of `config.json`, else the tokenizer's own.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, tokens that the model does not have.
    pub fn end_tokens(&self, tokenizer: &TextTokenizer) -> Result<Vec<Token>, LoadError> {
        let config = self.config()?;
        let (named, from) = match &self.kind {
            Kind::Directory => (generation_end_tokens(&self.path)?, self.path.join(GENERATION)),
            #[cfg(feature = "gguf")]
            Kind::Gguf(_) => (Vec::new(), self.path.clone()),
        };
        let own = || (tokenizer.eos().into_iter().collect(), self.path.clone());
        let candidates = [(named, from), (config.eos_token_ids, self.path.clone())];
        let (tokens, from) = candidates.into_iter().find(|(tokens, _)| !tokens.is_empty()).unwrap_or_else(own);
        match tokens.iter().find(|token| **token as usize >= config.vocab_size) {
            Some(token) => {
                Err(LoadError::field(&from, "eos_token_id", format!("ids below {}", config.vocab_size), token))
            }
            None => Ok(tokens),
        }
    }

    /// Its chat template, if it has one.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, a template that cannot be parsed.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>, LoadError> {
        match &self.kind {
            Kind::Directory => ChatTemplate::from_dir(&self.path),
            #[cfg(feature = "gguf")]
            Kind::Gguf(file) => file.chat_template(),
        }
    }

    /// Whether it is a directory.
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// The sources of all its chat templates.
    pub(super) fn template_sources(&self) -> Result<Vec<String>, LoadError> {
        match &self.kind {
            Kind::Directory => template_sources_of(&self.path),
            #[cfg(feature = "gguf")]
            Kind::Gguf(file) => file.template_sources(),
        }
    }

    /// Reads everything once and keeps nothing: whether the whole of it can be loaded, apart from whether a decoder finds what it needs.
    ///
    /// # Errors
    ///
    /// As the other methods; a tensor that cannot be read.
    pub fn verify(&self) -> Result<(), LoadError> {
        self.config()?;
        self.end_tokens(&self.tokenizer()?)?;
        self.chat_template()?;
        let mut tensors = self.tensors()?;
        let names: Vec<String> = tensors.names().into_iter().map(str::to_owned).collect();
        names.iter().try_for_each(|name| tensors.read_f32(name).map(|_| ()))
    }

    /// Its tensors.
    pub(crate) fn tensors(&self) -> Result<Box<dyn TensorSource>, LoadError> {
        match &self.kind {
            Kind::Directory => Ok(renamed::whole(Box::new(Shards::open(&self.path)?))),
            #[cfg(feature = "gguf")]
            Kind::Gguf(_) => Ok(Box::new(GgufFile::open(&self.path)?)),
        }
    }
}

/// The end-of-sequence tokens of a directory's `generation_config.json`, if it is there and names some.
fn generation_end_tokens(dir: &Path) -> Result<Vec<Token>, LoadError> {
    let path = dir.join(GENERATION);
    let config: Map<String, Value> = read_json_if_there(&path)?.unwrap_or_default();
    Fields::of(&config, &path).tokens("eos_token_id")
}

impl Kind {
    fn of(path: &Path) -> Result<Self, LoadError> {
        let found = path.metadata().map_err(LoadError::io(path))?;
        match () {
            () if found.is_dir() => Ok(Self::Directory),
            () if found.is_file() => Self::of_file(path),
            () => Err(LoadError::NotAFile { path: path.to_path_buf(), found: kind_of(found.file_type()) }),
        }
    }

    #[cfg(feature = "gguf")]
    fn of_file(path: &Path) -> Result<Self, LoadError> {
        GgufFile::open(path).map(|file| Self::Gguf(Box::new(file)))
    }

    #[cfg(not(feature = "gguf"))]
    fn of_file(path: &Path) -> Result<Self, LoadError> {
        Err(LoadError::field(path, "path", "a directory (a GGUF needs the feature `gguf`)", "a file"))
    }
}
