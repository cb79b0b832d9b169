//! A checkpoint that several models stand on: policy, guard and multifurcation reward model of the same base hold its weights once.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{DType, Device};

use crate::LoadError;
use crate::checkpoint::{Checkpoint, load_decoder};
use crate::nn::Decoder;
use crate::text::TextTokenizer;

/// Weights and tokenizer of a checkpoint. Clones, and all models that are made on it, share them; an adapter that is merged
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
    checkpoint: Arc<Checkpoint>,
    decoder: Decoder,
    tokenizer: Arc<TextTokenizer>,
}

impl Base {
    /// Loads a checkpoint: a directory in Hugging Face's layout or, with the feature `gguf`, a GGUF, whose weights are widened to `dtype`.
    ///
    /// # Errors
    ///
    /// A checkpoint or tokenizer that does not load, or a type that the device does not support.
    pub fn open(path: impl AsRef<Path>, device: &Device, dtype: DType) -> Result<Self, LoadError> {
        let checkpoint = Checkpoint::open(path)?;
        let decoder = load_decoder(&checkpoint, dtype, device)?;
        let tokenizer = Arc::new(checkpoint.tokenizer()?);
        Ok(Self { checkpoint: Arc::new(checkpoint), decoder, tokenizer })
    }

    /// Where it was loaded from.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.checkpoint.path()
    }

    /// What else it was loaded from says of the model.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
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
