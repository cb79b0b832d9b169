//! The model in training: a frozen decoder with an adapter beside its weights and a bias on its unembedding.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use saffron_core::TokenSet;
use saffron_mrm::checkpoint::{AdapterConfig, LoraWeights};
use saffron_mrm::nn::Decoder;
use saffron_mrm::{Base, DecoderConfig, RewardHead};

use crate::TrainError;
use crate::adapter::{Place, TrainableAdapter};
use crate::init::Init;
use crate::objective::{Objective, Seen};

/// A decoder whose adapter and bias are trained.
#[derive(Clone, Debug)]
pub struct Network {
    /// Without a record of gradients.
    plain: Decoder,
    /// The same weights on a device that records gradients.
    recording: Decoder,
    adapter: TrainableAdapter,
    places: Vec<Place>,
    config: AdapterConfig,
    unseen: TokenSet,
    train_bias: bool,
}

impl Network {
    /// Begins at the adapter and head of one directory, on the base model of another.
    ///
    /// # Errors
    ///
    /// A model, adapter or head that does not load.
    pub fn from_dirs(base: &Path, adapter: &Path, device: &Device) -> Result<Self, TrainError> {
        Self::open(&Base::open(base, device, DType::F32)?, adapter)
    }

    /// Begins at the adapter and head of a directory, on weights that are loaded.
    ///
    /// # Errors
    ///
    /// An adapter or head that does not load.
    pub fn open(base: &Base, adapter: &Path) -> Result<Self, TrainError> {
        let decoder = base.decoder();
        let (lora, config) = LoraWeights::from_dir(adapter, decoder.config(), &decoder.device())?;
        let head = RewardHead::from_dir(adapter, decoder.config().vocab_size)?;
        Ok(Self::new(decoder, &lora, config, &head))
    }

    /// Begins with an adapter that changes nothing yet, and no bias.
    ///
    /// # Errors
    ///
    /// Modules that a decoder block does not have, no module at all, a rank of 0.
    pub fn fresh(base: &Base, config: AdapterConfig, seed: u64) -> Result<Self, TrainError> {
        let (decoder, init) = (base.decoder(), Init::neutral(seed));
        let lora = init.adapter(&config, decoder.config(), &decoder.device())?;
        Ok(Self::new(decoder, &lora, config, &init.head(decoder.config().vocab_size)))
    }

    /// A network over parts that are already there.
    #[must_use]
    pub fn new(decoder: &Decoder, lora: &LoraWeights, config: AdapterConfig, head: &RewardHead) -> Self {
        let (adapter, places) = TrainableAdapter::new(lora, head, &decoder.device().autodiff());
        let recording = decoder.map_weights(Tensor::autodiff);
        let unseen = head.unseen.clone();
        Self { plain: decoder.clone(), recording, adapter, places, config, unseen, train_bias: true }
    }

    /// The network with a bias that is not trained.
    #[must_use]
    pub fn with_frozen_bias(self) -> Self {
        Self { adapter: self.adapter.with_frozen_bias(), train_bias: false, ..self }
    }

    /// The network with these tokens marked unseen; training does not look at the mark.
    ///
    /// # Errors
    ///
    /// A set over another vocabulary.
    pub fn with_unseen(self, unseen: TokenSet) -> Result<Self, TrainError> {
        let expected = self.model().vocab_size;
        match unseen.size() == expected {
            true => Ok(Self { unseen, ..self }),
            false => Err(TrainError::Vocabulary { expected, found: unseen.size() }),
        }
    }

    /// The network with another name of its base in the adapter's configuration, by which an adapter that is saved elsewhere finds it.
    #[must_use]
    pub fn with_base_name(mut self, name: impl Into<String>) -> Self {
        self.config.base_model_name_or_path = Some(name.into());
        self
    }

    /// The network with the parameters of a directory that [`save`](Self::save) wrote.
    pub(crate) fn restored(self, dir: &Path) -> Result<Self, TrainError> {
        let (lora, config) = LoraWeights::from_dir(dir, self.model(), &self.plain.device())?;
        let head = RewardHead::from_dir(dir, self.model().vocab_size)?;
        let restored = Self::new(&self.plain, &lora, config, &head);
        Ok(if self.train_bias { restored } else { restored.with_frozen_bias() })
    }

    /// The decoder's sizes.
    #[must_use]
    pub fn model(&self) -> &DecoderConfig {
        self.plain.config()
    }

    /// The decoder with the adapter beside its weights, recording gradients.
    #[must_use]
    pub fn recording(&self) -> Decoder {
        self.recording.clone().with_lora(self.adapter.lora(&self.places))
    }

    /// The decoder with the adapter beside its weights, without a record: for validation.
    #[must_use]
    pub fn plain(&self) -> Decoder {
        self.plain.clone().with_lora(self.adapter.valid().lora(&self.places))
    }

    /// The outputs of an objective on samples, `batch` of them a forward pass, without a record of gradients.
    ///
    /// # Errors
    ///
    /// Samples that do not fit the model.
    pub fn outputs<O: Objective>(
        &self,
        objective: &O,
        samples: &[O::Sample],
        batch: usize,
    ) -> Result<Vec<Seen<O::Batch>>, TrainError> {
        let (decoder, bias) = (self.plain(), self.adapter.bias().inner());
        let size = batch.max(1);
        let pass = |(number, part): (usize, &[O::Sample])| {
            let batch = objective.batch(&part.iter().collect::<Vec<_>>(), self.model());
            let batch = batch.map_err(|error| error.placed(|place| number * size + place))?;
            let outputs = objective.outputs(&decoder, &bias, &batch).into_data();
            Ok((batch, outputs.iter::<f32>().collect()))
        };
        samples.chunks(size).enumerate().map(pass).collect()
    }

    /// The parameters.
    #[must_use]
    pub fn adapter(&self) -> &TrainableAdapter {
        &self.adapter
    }

    pub(crate) fn set_adapter(&mut self, adapter: TrainableAdapter) {
        self.adapter = adapter;
    }

    /// The adapter's configuration.
    #[must_use]
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// The factors as they are now.
    #[must_use]
    pub fn lora(&self) -> LoraWeights {
        self.adapter.valid().lora(&self.places)
    }

    /// Bias and unseen tokens as they are now.
    #[must_use]
    pub fn head(&self) -> RewardHead {
        let bias = self.adapter.valid().bias().into_data().convert::<f32>();
        RewardHead { bias: bias.iter::<f32>().collect(), unseen: self.unseen.clone() }
    }

    /// Writes adapter and head into a directory: PEFT's layout, and our single-file form of bias and mask, all in float32. Nothing is
    /// lost: [`open`](Self::open) gives the same network.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, dir: &Path) -> Result<(), TrainError> {
        self.lora().save(dir, &self.config)?;
        self.head().save_safetensors(dir)?;
        Ok(())
    }

    /// Writes adapter and head into a directory as the reference releases them: PEFT's layout, `lm_head_bias.pt` (rounded to bf16) and
    /// `unseen_mask.pt`.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save_reference(&self, dir: &Path) -> Result<(), TrainError> {
        self.lora().save(dir, &self.config)?;
        Ok(self.head().save_torch(dir)?)
    }
}
