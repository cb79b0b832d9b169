//! A base model on its way to a reward model.

use std::path::Path;

use burn::tensor::Device;
use saffron_core::RewardHead;

use super::contexts::options_for;
use super::{Mrm, MrmInput};
use crate::base::{Base, BaseFiles};
use crate::checkpoint::{AdapterFile, MrmCard, RewardHeadFiles};
use crate::config::DecoderConfig;
use crate::engine::{Engine, Merge, ModelOptions};
use crate::error::LoadError;
use crate::text::{SessionReader, TextLayout, TextTokenizer};

/// A base model that is no reward model yet: a language model's logits are not rewards. An adapter
/// with its head makes an [`Mrm`] of it, and so does a head beside the weights, or
/// [`untrained`](Self::untrained) by name.
///
/// ```no_run
/// # fn main() -> Result<(), saffron_mrm::LoadError> {
/// # let device = burn::tensor::Device::flex();
/// use saffron_mrm::{ModelOptions, Mrm};
/// let options = ModelOptions::default();
/// let mrm = Mrm::builder("models/guard", &device, options)?.with_adapter("models/mrm")?;
/// // An adapter without lm_head_bias.pt or unseen_mask.pt is refused, unless this is what is wanted.
/// let mrm = Mrm::builder("models/guard", &device, options)?.neutral_where_absent().with_adapter("models/plain-lora")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MrmBuilder {
    base: Source,
    reader: SessionReader,
    options: ModelOptions,
    neutral_where_absent: bool,
    reads_card: bool,
}

/// Where the weights come from.
#[derive(Debug)]
enum Source {
    Loaded(Box<Base>),
    Files(Box<BaseFiles>, Device),
}

impl MrmBuilder {
    pub(super) fn of_base(base: &Base, options: ModelOptions) -> Result<Self, LoadError> {
        let reader = reader(base.tokenizer())?;
        Ok(Self {
            base: Source::Loaded(Box::new(base.clone())),
            reader,
            options,
            neutral_where_absent: false,
            reads_card: true,
        })
    }

    pub(super) fn of_files(files: BaseFiles, device: &Device, options: ModelOptions) -> Result<Self, LoadError> {
        let reader = reader(files.tokenizer())?;
        Ok(Self {
            base: Source::Files(Box::new(files), device.clone()),
            reader,
            options,
            neutral_where_absent: false,
            reads_card: true,
        })
    }

    /// Takes a head that is not there as one that changes nothing: no bias where there is no bias,
    /// every token seen where there is no mask. A file that is there and cannot be read is still an
    /// error.
    #[must_use]
    pub fn neutral_where_absent(self) -> Self {
        Self { neutral_where_absent: true, ..self }
    }

    /// Leaves out what the [card](MrmCard) of the reward model says of input and layout: they are the
    /// caller's. The contexts that it was trained for still count.
    #[must_use]
    pub fn without_card(self) -> Self {
        Self { reads_card: false, ..self }
    }

    /// The reward model of a LoRA adapter, added to the weights, and the reward head of the same
    /// directory.
    ///
    /// # Errors
    ///
    /// An adapter or head that is not there, does not load or is for another model; weights that do
    /// not load.
    pub fn with_adapter(self, dir: impl AsRef<Path>) -> Result<Mrm, LoadError> {
        self.with_adapter_as(dir, Merge::IntoWeights)
    }

    /// [`with_adapter`](Self::with_adapter), merged or not.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_adapter_as(mut self, dir: impl AsRef<Path>, merge: Merge) -> Result<Mrm, LoadError> {
        let dir = dir.as_ref();
        // What is small is read before the base's weights are.
        let mut adapter = AdapterFile::open(dir, self.base.config())?;
        let (head, card) = (self.head(dir)?, self.card(dir)?);
        self.options = options_for(&card, dir, self.base.config(), self.options)?;
        let mut mrm = self.load(head, card)?;
        let lora = adapter.read(&mrm.engine.decoder().device())?;
        mrm.engine = mrm.engine.with_lora(lora, merge)?;
        Ok(mrm)
    }

    /// The reward model whose head lies beside the base's weights: one that was trained as a whole.
    ///
    /// # Errors
    ///
    /// A head that is not there, does not load or is for another model; weights that do not load.
    pub fn with_own_head(mut self) -> Result<Mrm, LoadError> {
        let (head, card) = (self.head(self.base.path())?, self.card(self.base.path())?);
        self.options = options_for(&card, self.base.path(), self.base.config(), self.options)?;
        self.load(head, card)
    }

    /// The base's own logits as rewards, every token seen: a beginning for training, or something
    /// to compare with. [`Mrm::with_head`] brings a head that is not in a file.
    ///
    /// # Errors
    ///
    /// Weights that do not load.
    pub fn untrained(self) -> Result<Mrm, LoadError> {
        let head = RewardHead::neutral(self.base.config().vocab_size);
        self.load(head, MrmCard::default())
    }

    fn card(&self, dir: &Path) -> Result<MrmCard, LoadError> {
        let card = MrmCard::read(dir)?;
        Ok(if self.reads_card { card } else { MrmCard { max_context: card.max_context, ..MrmCard::default() } })
    }

    fn head(&self, dir: &Path) -> Result<RewardHead, LoadError> {
        let size = self.base.config().vocab_size;
        match self.neutral_where_absent {
            true => RewardHead::from_dir_or_neutral(dir, size),
            false => RewardHead::from_dir(dir, size),
        }
    }

    fn load(mut self, head: RewardHead, card: MrmCard) -> Result<Mrm, LoadError> {
        if let Some(name) = &card.layout {
            let layout = TextLayout::named(name, &self.reader.tokenizer)?;
            self.reader.set_layout(layout);
        }
        let base = match self.base {
            Source::Loaded(base) => *base,
            Source::Files(files, device) => {
                files.checkpoint().check_memory(&self.options)?;
                files.load(&device, self.options.dtype)?
            }
        };
        let engine = Engine::new(base.decoder().clone(), self.options)?;
        let preset = card.preset;
        let mrm = Mrm { engine, reader: self.reader, head, bias: MrmInput::default().bias, preset };
        Ok(match preset {
            Some(preset) => mrm.with_input(MrmInput::of(preset)),
            None => mrm,
        })
    }
}

impl Source {
    fn config(&self) -> &DecoderConfig {
        match self {
            Self::Loaded(base) => base.decoder().config(),
            Self::Files(files, _) => files.config(),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Loaded(base) => base.path(),
            Self::Files(files, _) => files.path(),
        }
    }
}

fn reader(tokenizer: &TextTokenizer) -> Result<SessionReader, LoadError> {
    let layout = TextLayout::named("mrm", tokenizer)?;
    Ok(SessionReader::new(tokenizer, layout, MrmInput::default().prefill))
}
