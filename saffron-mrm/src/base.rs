//! A checkpoint that several models stand on: policy, guard and multifurcation reward model of the same base hold its weights once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{DType, Device};

use crate::LoadError;
use crate::checkpoint::load_decoder;
use crate::nn::Decoder;
use crate::text::TextTokenizer;

/// Weights and tokenizer of a checkpoint directory. Clones, and all models that are made on it, share them; an adapter that is merged
/// into one of those models brings only the matrices that it changes.
///
/// ```no_run
/// # fn main() -> Result<(), saffron_mrm::LoadError> {
/// # let device = burn::tensor::Device::flex();
/// use saffron_mrm::{Base, LmPolicy, ModelOptions, Mrm};
/// let options = ModelOptions::default();
/// let base = Base::open("models/smollm2", &device, options.dtype)?;
/// let policy = LmPolicy::on(&base, options)?;
/// let mrm = Mrm::on(&base, options)?.with_adapter("models/mrm")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Base {
    dir: PathBuf,
    decoder: Decoder,
    tokenizer: Arc<TextTokenizer>,
}

impl Base {
    /// Loads a checkpoint directory.
    ///
    /// # Errors
    ///
    /// A checkpoint or tokenizer that does not load, or a type that the device does not support.
    pub fn open(dir: impl AsRef<Path>, device: &Device, dtype: DType) -> Result<Self, LoadError> {
        let dir = dir.as_ref();
        let decoder = load_decoder(dir, dtype, device)?;
        let tokenizer = TextTokenizer::from_dir(dir, decoder.config().vocab_size)?;
        Ok(Self { dir: dir.to_path_buf(), decoder, tokenizer: Arc::new(tokenizer) })
    }

    /// Where it was loaded from.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The decoder; a clone shares its weights.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Arc<TextTokenizer> {
        &self.tokenizer
    }
}
