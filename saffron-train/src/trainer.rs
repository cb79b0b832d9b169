//! A plain AdamW loop over LoRA and the unembedding bias.

use std::path::Path;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use saffron_mrm::checkpoint::{AdapterConfig, LoraWeights};
use saffron_mrm::engine::Engine;
use saffron_mrm::nn::Decoder;
use saffron_mrm::{ModelOptions, RewardHead};
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::adapter::{Place, TrainableAdapter};
use crate::loss::partial_supervision;
use crate::sample::{Batch, Sample};

/// Settings of AdamW. The defaults are those found in the released optimiser state (betas, ε, no weight decay, 1e-4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWSettings {
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay rates of the first and second moment.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { learning_rate: 1e-4, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0 }
    }
}

/// A multifurcation reward model in training.
pub struct Trainer {
    decoder: Decoder,
    adapter: TrainableAdapter,
    places: Vec<Place>,
    config: AdapterConfig,
    unseen: saffron_core::TokenSet,
    optimizer: ModuleOptimizer,
    settings: AdamWSettings,
    steps: u64,
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer").field("settings", &self.settings).field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Trainer {
    /// A trainer that begins at the adapter and head of one directory, on the base model of another.
    ///
    /// # Errors
    ///
    /// A model, adapter or head that does not load.
    pub fn from_dirs(
        base: &Path,
        adapter: &Path,
        settings: AdamWSettings,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let engine = Engine::open(base, device, ModelOptions::default())?;
        let model = engine.decoder().config();
        let (lora, config) = LoraWeights::from_dir(adapter, model, device)?;
        let head = RewardHead::from_dir(adapter, model.vocab_size)?;
        Ok(Self::new(engine.decoder(), &lora, config, &head, settings))
    }

    /// A trainer over parts that are already there.
    #[must_use]
    pub fn new(
        decoder: &Decoder,
        lora: &LoraWeights,
        config: AdapterConfig,
        head: &RewardHead,
        settings: AdamWSettings,
    ) -> Self {
        let device = decoder.device().autodiff();
        let (adapter, places) = TrainableAdapter::new(lora, head, &device);
        let optimizer = AdamWConfig::new()
            .with_beta_1(settings.betas[0])
            .with_beta_2(settings.betas[1])
            .with_epsilon(settings.eps)
            .with_weight_decay(settings.weight_decay)
            .init();
        let decoder = decoder.map_weights(Tensor::autodiff);
        Self { decoder, adapter, places, config, unseen: head.unseen.clone(), optimizer, settings, steps: 0 }
    }

    /// One step on a batch: its loss before the step.
    ///
    /// # Errors
    ///
    /// Samples that do not fit the model, a loss that is not finite. The parameters are then as they were.
    pub fn step(&mut self, samples: &[Sample]) -> Result<f32, TrainError> {
        let model = self.decoder.config();
        let batch = Batch::new(samples, model.vocab_size, model.max_position_embeddings)?;
        let decoder = self.decoder.clone().with_lora(self.adapter.lora(&self.places));
        let loss = partial_supervision(&decoder, &self.adapter.bias(), &batch);
        let value = loss.clone().inner().into_scalar::<f32>();
        if !value.is_finite() {
            return Err(TrainError::Diverged { step: self.steps, value });
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &self.adapter);
        self.adapter = self.optimizer.step(self.settings.learning_rate, self.adapter.clone(), gradients);
        self.steps += 1;
        Ok(value)
    }

    /// The loss of a batch, without a step.
    ///
    /// # Errors
    ///
    /// Samples that do not fit the model.
    pub fn loss(&self, samples: &[Sample]) -> Result<f32, TrainError> {
        let model = self.decoder.config();
        let batch = Batch::new(samples, model.vocab_size, model.max_position_embeddings)?;
        let decoder = self.decoder.clone().with_lora(self.adapter.lora(&self.places));
        Ok(partial_supervision(&decoder, &self.adapter.bias(), &batch).inner().into_scalar::<f32>())
    }

    /// Number of steps taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The parameters.
    #[must_use]
    pub fn adapter(&self) -> &TrainableAdapter {
        &self.adapter
    }

    /// Writes adapter and head into a directory: PEFT's layout, and our single-file form of bias (float32) and mask.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, dir: &Path) -> Result<(), TrainError> {
        let adapter = self.adapter.valid();
        adapter.lora(&self.places).save(dir, &self.config)?;
        let bias = adapter.bias().into_data().convert::<f32>();
        let bias = bias.iter::<f32>().collect();
        RewardHead { bias, unseen: self.unseen.clone() }.save_safetensors(dir)?;
        Ok(())
    }
}
