//! A reward model as an engine loads it: a Hugging Face checkpoint, an adapter, a GGUF, or the head
//! alone. The head lies beside each.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::DType;
use saffron_core::{RewardHead, ServedHead, Token, Vocabulary};

#[cfg(feature = "gguf")]
use super::gguf::{self, GgufWeights};
use super::merged::Merged;
use super::reference::{Reference, Tokens};
use super::target::Target;
use super::{WEIGHTS, lora, texts, weights};
use crate::checkpoint::card::{CARD, MrmCard};
use crate::checkpoint::head::{FOLDER, OURS, write_safetensors};
use crate::checkpoint::parts::Kind;
use crate::checkpoint::peft::AdapterFile;
use crate::checkpoint::source::Checkpoint;
use crate::config::DecoderConfig;
use crate::error::LoadError;
use crate::text::TextTokenizer;

/// What an engine loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineFormat {
    /// A Hugging Face checkpoint with the adapter added to its weights, which are of this type: for
    /// vLLM and SGLang.
    Merged(DType),
    /// An adapter in PEFT's layout, for an engine that serves the base, too.
    Lora,
    /// A GGUF, for llama.cpp.
    #[cfg(feature = "gguf")]
    Gguf(GgufWeights),
    /// The head alone, beside a model that an engine has already.
    Head,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The files' names, relative to the directory.
    pub files: Vec<PathBuf>,
    /// The rank that a server must permit, of an adapter.
    pub rank: Option<usize>,
    /// What a user should know of the files.
    pub notes: Vec<String>,
}

/// A reward model on disk, base and adapter or whole weights, on its way to an engine.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use burn::tensor::DType;
/// use saffron_mrm::checkpoint::{EngineFormat, MrmExport};
/// use saffron_mrm::{Device, Mrm};
/// # #[cfg(feature = "flex")]
/// let mut mrm = Mrm::open("models/guard", "models/mrm", &Device::flex())?;
/// # #[cfg(feature = "flex")] {
/// let probes = [vec![1, 5, 7], vec![1, 9]];
/// let export = MrmExport::open("models/guard", Some("models/mrm".as_ref()))?;
/// let reference = export.reference(None, mrm.head())?;
/// let head = mrm.served_head(&probes, false)?;
/// export.write("models/served".as_ref(), EngineFormat::Merged(DType::F32), Some(&reference), head)?;
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MrmExport {
    checkpoint: Checkpoint,
    config: DecoderConfig,
    tokenizer: TextTokenizer,
    adapter: Option<PathBuf>,
}

impl MrmExport {
    /// Looks at a base with an adapter, or at whole weights.
    ///
    /// # Errors
    ///
    /// A checkpoint, tokenizer or adapter that does not load or fit, before any weights are read.
    pub fn open(base: impl AsRef<Path>, adapter: Option<&Path>) -> Result<Self, LoadError> {
        let checkpoint = Checkpoint::open(base)?;
        let (config, tokenizer) = (checkpoint.config()?, checkpoint.tokenizer()?);
        if let Some(adapter) = adapter {
            AdapterFile::open(adapter, &config)?;
        }
        Ok(Self { checkpoint, config, tokenizer, adapter: adapter.map(Path::to_path_buf) })
    }

    /// The base, or the whole weights.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The reference token: the one that is named, or one that nothing uses. That is the last row
    /// that the tokenizer has no token for, else the last control token that begins and ends
    /// nothing, that no template and no layout writes and that the model has not seen.
    ///
    /// # Errors
    ///
    /// A token that is in use or that the model does not have; none that is free.
    pub fn reference(&self, named: Option<Token>, head: &RewardHead) -> Result<Reference, LoadError> {
        self.check_size(head)?;
        let tokens = Tokens::of(&self.checkpoint, &self.tokenizer, head)?;
        named.map_or_else(|| tokens.choose(), |token| tokens.named(token))
    }

    /// Writes what an engine loads into a directory, which must not exist or be empty, with the
    /// head for its clients beside it. The directory appears whole or not at all. Equal models give
    /// equal bytes.
    ///
    /// With a reference, the token's logit is 0 in what is written, and the head calls it unseen.
    ///
    /// # Errors
    ///
    /// What the format cannot say, by name; a weight that its type cannot hold; a head over another
    /// vocabulary; a target that holds something; what the file system says.
    pub fn write(
        &self,
        dir: &Path,
        format: EngineFormat,
        reference: Option<&Reference>,
        head: ServedHead,
    ) -> Result<Exported, LoadError> {
        self.check_size(&head.head)?;
        let token = reference.map(|reference| reference.token);
        let head = with_reference(head, token);
        let target = Target::new(dir)?;
        let mut exported = match format {
            EngineFormat::Merged(dtype) => self.merged(&target, dtype, token)?,
            EngineFormat::Lora => self.lora(&target, token)?,
            #[cfg(feature = "gguf")]
            EngineFormat::Gguf(weights) => gguf::write(&self.checkpoint, self.tensors(token)?, weights, target.path())?,
            EngineFormat::Head => Exported::default(),
        };
        // Engines load every safetensors file beside a checkpoint's weights.
        let folder = match format {
            EngineFormat::Merged(_) => Path::new(FOLDER),
            _ => Path::new(""),
        };
        fs::create_dir_all(target.path().join(folder)).map_err(LoadError::io(dir))?;
        write_safetensors(&head, &target.path().join(folder).join(OURS))?;
        exported.files.push(folder.join(OURS));
        let card = MrmCard::read(self.adapter.as_deref().unwrap_or(self.checkpoint.path()))?;
        if card != MrmCard::default() {
            card.write(target.path())?;
            exported.files.push(PathBuf::from(CARD));
        }
        target.finish()?;
        Ok(exported)
    }

    fn merged(&self, target: &Target, dtype: DType, token: Option<Token>) -> Result<Exported, LoadError> {
        let kind = Kind::of(dtype, &target.path().join(WEIGHTS))?;
        let tensors = self.tensors(token)?;
        let config = tensors.config().clone();
        let texts = texts::of(&self.checkpoint, kind.name, config.tie_word_embeddings)?;
        weights::write(Box::new(tensors), &config, kind, &target.path().join(WEIGHTS))?;
        let mut files = vec![PathBuf::from(WEIGHTS)];
        for (name, bytes) in texts {
            target.write(&name, &bytes)?;
            files.push(name);
        }
        Ok(Exported { files, ..Exported::default() })
    }

    fn lora(&self, target: &Target, token: Option<Token>) -> Result<Exported, LoadError> {
        let adapter = self.adapter()?;
        let written = match (token, &self.adapter, adapter) {
            (Some(token), _, adapter) => lora::with_reference(adapter, &self.checkpoint, token, target.path())?,
            (None, Some(from), Some(adapter)) => {
                lora::copy(from, adapter, &self.checkpoint, &self.config, target.path())?
            }
            (None, ..) => {
                let expected = "an adapter, or a reference token to make one for";
                return Err(LoadError::field(self.checkpoint.path(), "the adapter", expected, "whole weights"));
            }
        };
        let mut notes = Vec::new();
        if token.is_none() && written.reshaped {
            notes.push(String::from("ranks and scales that differed between modules were made equal"));
        }
        if !self.checkpoint.is_directory() {
            notes
                .push(String::from("the base is a GGUF: engines that serve adapters load it converted to a directory"));
        }
        Ok(Exported { files: written.names, rank: Some(written.rank), notes })
    }

    fn tensors(&self, token: Option<Token>) -> Result<Merged, LoadError> {
        Merged::new(&self.checkpoint, self.adapter()?, token)
    }

    fn adapter(&self) -> Result<Option<AdapterFile>, LoadError> {
        self.adapter.as_ref().map(|dir| AdapterFile::open(dir, &self.config)).transpose()
    }

    fn check_size(&self, head: &RewardHead) -> Result<(), LoadError> {
        let size = self.tokenizer.size();
        match [head.bias.len(), head.unseen.size()].into_iter().find(|found| *found != size) {
            None => Ok(()),
            Some(found) => {
                Err(LoadError::field(self.checkpoint.path(), "reward head", format!("{size} entries"), found))
            }
        }
    }
}

/// The head of a model with a reference token: it is unseen, and no probe asks for it.
fn with_reference(mut served: ServedHead, token: Option<Token>) -> ServedHead {
    served.notes.reference = token;
    if let Some(token) = token {
        served.head.unseen.insert(token);
        for probe in &mut served.notes.probes {
            if let Some(place) = probe.ids.iter().position(|id| *id == token) {
                probe.ids.remove(place);
                probe.logits.remove(place);
            }
        }
    }
    served
}
