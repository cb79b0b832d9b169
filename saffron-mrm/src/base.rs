//! A checkpoint that several models stand on: policy, guard and multifurcation reward model of the same base hold its weights once.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{DType, Device};

use crate::checkpoint::{Checkpoint, load_decoder};
use crate::config::{ContextLength, DecoderConfig};
use crate::error::LoadError;
use crate::nn::Decoder;
use crate::text::TextTokenizer;

/// A checkpoint whose small files have been read and whose weights have not: what a model is can be
/// checked before they are, which may take long.
///
/// ```no_run
/// # fn main() -> Result<(), saffron_mrm::LoadError> {
/// # let device = burn::tensor::Device::flex();
/// use saffron_mrm::BaseFiles;
/// let files = BaseFiles::open("models/smollm2")?;
/// println!("{} layers", files.config().num_hidden_layers);
/// let base = files.load(&device, burn::tensor::DType::F32)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BaseFiles {
    checkpoint: Checkpoint,
    config: DecoderConfig,
    tokenizer: Arc<TextTokenizer>,
}

impl BaseFiles {
    /// Reads configuration and tokenizer of a directory or file.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of); a path that leads to no checkpoint.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::of(Checkpoint::open(path)?)
    }

    /// Reads configuration and tokenizer of a checkpoint.
    ///
    /// # Errors
    ///
    /// Missing or unreadable files; end-of-sequence tokens that the model does not have.
    pub fn of(checkpoint: Checkpoint) -> Result<Self, LoadError> {
        let config = checkpoint.config()?;
        let tokenizer = Arc::new(checkpoint.tokenizer()?);
        checkpoint.end_tokens(&tokenizer)?;
        Ok(Self { checkpoint, config, tokenizer })
    }

    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The sizes of its model.
    #[must_use]
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Its tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Arc<TextTokenizer> {
        &self.tokenizer
    }

    pub(crate) fn path(&self) -> &Path {
        self.checkpoint.path()
    }

    /// Loads the weights, widened or rounded to `dtype`.
    ///
    /// # Errors
    ///
    /// Weights that do not load, or a type that the device does not support.
    pub fn load(self, device: &Device, dtype: DType) -> Result<Base, LoadError> {
        let decoder = load_decoder(&self.checkpoint, dtype, device)?;
        Ok(Base { checkpoint: Arc::new(self.checkpoint), decoder, tokenizer: self.tokenizer })
    }
}

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
    /// Loads a checkpoint: a directory in Hugging Face's layout or, with the feature `gguf`, a
    /// GGUF, whose weights are widened to `dtype`. Everything else is read before the weights are.
    ///
    /// # Errors
    ///
    /// A checkpoint or tokenizer that does not load, or a type that the device does not support.
    pub fn open(path: impl AsRef<Path>, device: &Device, dtype: DType) -> Result<Self, LoadError> {
        BaseFiles::open(path)?.load(device, dtype)
    }

    /// The same with the rotary frequencies for contexts of a length, where the model has
    /// [several](crate::LongRope): for training on long contexts.
    #[must_use]
    pub fn for_contexts(self, length: ContextLength) -> Self {
        Self { decoder: self.decoder.for_contexts(length), ..self }
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
