//! Any checkpoint as a directory in Hugging Face's layout, and reward models as engines load them.

mod engine;
#[cfg(feature = "gguf")]
mod gguf;
mod lora;
mod merged;
mod reference;
mod target;
mod texts;
mod weights;

use std::path::{Path, PathBuf};

use burn::tensor::DType;

pub use self::engine::{EngineFormat, Exported, MrmExport};
#[cfg(feature = "gguf")]
pub use self::gguf::GgufWeights;
pub use self::reference::{Reference, ReferenceReason};
use self::target::Target;
use super::parts::Kind;
use super::source::Checkpoint;
use crate::error::LoadError;

const WEIGHTS: &str = "model.safetensors";

impl Checkpoint {
    /// Writes the checkpoint as a Hugging Face directory, which must not exist or be empty:
    /// `config.json`, `model.safetensors` and the files of the tokenizer. Returns the names of the
    /// files.
    ///
    /// Weights are float32, or rounded to bf16 or f16, to the nearest; float32 holds the source's
    /// values bit for bit. At most one tensor is in memory. The files of a directory are copied,
    /// `config.json` with the new type of weights. Those of a GGUF are made of its metadata:
    /// `tokenizer.json`, `tokenizer_config.json` with the chat template, `generation_config.json`.
    ///
    /// The directory appears whole or not at all. A process that is killed leaves a hidden folder
    /// beside it whose name ends in `.partial`.
    ///
    /// # Errors
    ///
    /// A checkpoint that does not load; another type; a weight too large for f16; a target that is
    /// a file or holds something; what the file system says.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), saffron_mrm::LoadError> {
    /// use burn::tensor::DType;
    /// use saffron_mrm::checkpoint::Checkpoint;
    /// Checkpoint::open("models/model.gguf")?.export("models/converted".as_ref(), DType::BF16)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn export(&self, dir: &Path, dtype: DType) -> Result<Vec<PathBuf>, LoadError> {
        let kind = Kind::of(dtype, &dir.join(WEIGHTS))?;
        let config = self.config()?;
        let texts = texts::of(self, kind.name, config.tie_word_embeddings)?;
        let target = Target::new(dir)?;
        let mut names = vec![PathBuf::from(WEIGHTS)];
        weights::write(self.tensors()?, &config, kind, &target.path().join(WEIGHTS))?;
        for (name, bytes) in texts {
            target.write(&name, &bytes)?;
            names.push(name);
        }
        target.finish()?;
        Ok(names)
    }
}
