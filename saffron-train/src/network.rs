//! The model in training: a frozen decoder with an adapter beside its weights, or a decoder that is trained as a whole, and a bias on its
//! unembedding.

mod files;
mod full;

use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use saffron_core::TokenSet;
use saffron_mrm::checkpoint::{AdapterConfig, LoraPair, LoraWeights};
use saffron_mrm::nn::Decoder;
use saffron_mrm::{Base, DecoderConfig, RewardHead, RewardHeadFiles};

use crate::adapter::{Place, TrainableAdapter};
use crate::error::TrainError;
use crate::init::Init;
use crate::objective::{Objective, Seen};

/// A decoder whose adapter and bias are trained, or, if made by [`full`](Self::full), all of its matrices.
#[derive(Clone, Debug)]
pub struct Network {
    /// Without a record of gradients.
    plain: Decoder,
    /// The same weights on a device that records gradients.
    recording: Decoder,
    adapter: TrainableAdapter,
    places: Vec<Place>,
    /// The adapter's; none where the decoder is trained as a whole.
    config: Option<AdapterConfig>,
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

    /// Begins at the adapter and head of a directory, on weights that are loaded. Of the head, what
    /// is not there begins neutral: no bias, every token seen.
    ///
    /// # Errors
    ///
    /// An adapter or head that does not load.
    pub fn open(base: &Base, adapter: &Path) -> Result<Self, TrainError> {
        let decoder = base.decoder();
        let (lora, config) = LoraWeights::from_dir(adapter, decoder.config(), &decoder.device())?;
        let head = RewardHead::from_dir_or_neutral(adapter, decoder.config().vocab_size)?;
        Ok(Self::new(decoder, &lora, config, &head))
    }

    /// Begins with an adapter that changes nothing yet, and no bias.
    ///
    /// # Errors
    ///
    /// An adapter that the decoder has no layers for ([`Init::layers`]).
    pub fn fresh(base: &Base, config: AdapterConfig, seed: u64) -> Result<Self, TrainError> {
        let (decoder, init) = (base.decoder(), Init::neutral(seed));
        let config = AdapterConfig { text_prefix: base.checkpoint().text_prefix()?, ..config };
        let lora = init.adapter(&config, decoder.config(), &decoder.device())?;
        Ok(Self::new(decoder, &lora, config, &init.head(decoder.config().vocab_size)))
    }

    /// A network over parts that are already there.
    #[must_use]
    pub fn new(decoder: &Decoder, lora: &LoraWeights, config: AdapterConfig, head: &RewardHead) -> Self {
        let (adapter, places) = TrainableAdapter::new(lora, head, &decoder.device().autodiff());
        let recording = decoder.map_weights(Tensor::autodiff);
        let unseen = head.unseen.clone();
        Self { plain: decoder.clone(), recording, adapter, places, config: Some(config), unseen, train_bias: true }
    }

    /// The network with a bias that is not trained: it stays what it is.
    #[must_use]
    pub fn with_frozen_bias(self) -> Self {
        self.with_bias(false)
    }

    /// The network with a bias that is trained, as that of an adapter is unless it is frozen.
    #[must_use]
    pub fn with_trained_bias(self) -> Self {
        self.with_bias(true)
    }

    fn with_bias(self, trained: bool) -> Self {
        Self { adapter: self.adapter.with_bias(trained), train_bias: trained, ..self }
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

    /// The network with another name of its base in the adapter's configuration, by which an adapter that is saved elsewhere finds it. A decoder
    /// that is trained as a whole has no base: it stays what it is.
    #[must_use]
    pub fn with_base_name(mut self, name: impl Into<String>) -> Self {
        if let Some(config) = &mut self.config {
            config.base_model_name_or_path = Some(name.into());
        }
        self
    }

    /// The decoder's sizes.
    #[must_use]
    pub fn model(&self) -> &DecoderConfig {
        self.plain.config()
    }

    /// The decoder as it is now, an adapter beside its weights, recording gradients.
    #[must_use]
    pub fn recording(&self) -> Decoder {
        self.adapter.within(&self.recording, &self.places)
    }

    /// The decoder as it is now, an adapter beside its weights, without a record: for validation.
    #[must_use]
    pub fn plain(&self) -> Decoder {
        self.adapter.valid().within(&self.plain, &self.places)
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

    /// The network with the adapter's factors, or the decoder's matrices where it is trained as a whole, rounded to bf16 or f16 and kept in
    /// float32: what a network that was [saved in that type](Self::save_as) opens as. With any other type it stays what it is.
    #[must_use]
    pub fn rounded(&self, dtype: DType) -> Self {
        if !matches!(dtype, DType::BF16 | DType::F16) {
            return self.clone();
        }
        let round = |tensor: Tensor<2>| tensor.cast(dtype).cast(DType::F32);
        let rounded = match &self.config {
            Some(config) => {
                let round_pair = |pair: LoraPair| LoraPair { a: round(pair.a), b: round(pair.b), ..pair };
                let pairs = self.lora().pairs.into_iter().map(|(place, pair)| (place, round_pair(pair))).collect();
                Self::new(&self.plain, &LoraWeights { pairs }, config.clone(), &self.head())
            }
            None => Self::full_with(&self.plain().map_matrices(round), &self.head()),
        };
        rounded.with_bias(self.train_bias)
    }

    /// The parameters.
    #[must_use]
    pub fn adapter(&self) -> &TrainableAdapter {
        &self.adapter
    }

    pub(crate) fn set_adapter(&mut self, adapter: TrainableAdapter) {
        self.adapter = adapter;
    }

    /// The adapter's configuration; none where the decoder is trained as a whole.
    #[must_use]
    pub fn config(&self) -> Option<&AdapterConfig> {
        self.config.as_ref()
    }

    /// The factors as they are now; none where the decoder is trained as a whole.
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
}
