//! Adapters, heads and whole decoders to begin training from, or to try a search with. All numbers come from ChaCha8, so that a seed means the same on
//! every machine.

mod decoder;

use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::TokenSet;
use saffron_core::random::{symmetric_f32, unit_f32};
use saffron_mrm::checkpoint::peft::{AdaptedLayers, adapted_layers};
use saffron_mrm::checkpoint::{AdapterConfig, LoraPair, LoraWeights};
use saffron_mrm::{DecoderConfig, LoadError, RewardHead};

/// How a new adapter, head or decoder begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Init {
    /// Seed of all numbers.
    pub seed: u64,
    /// `lora_B` is uniform within ± this. 0, as for training, makes the adapter change nothing yet.
    pub spread_b: f32,
    /// The bias is uniform within ± this.
    pub spread_bias: f32,
    /// Share of tokens, in [0, 1], that are marked unseen.
    pub unseen: f64,
}

impl Init {
    /// The beginning of training: no change to the base, no bias, nothing unseen.
    #[must_use]
    pub fn neutral(seed: u64) -> Self {
        Self { seed, spread_b: 0.0, spread_bias: 0.0, unseen: 0.0 }
    }

    /// The layers that a new adapter stands beside, with its ranks and scales there. Needs no
    /// weights.
    ///
    /// # Errors
    ///
    /// Modules that a decoder block does not have, no module at all, a rank of 0 or above the
    /// smaller side of a layer, a scale that is not finite.
    pub fn layers(config: &AdapterConfig, model: &DecoderConfig) -> Result<AdaptedLayers, LoadError> {
        let layers = adapted_layers(config, model)?;
        for ((layer, projection), (rank, scale)) in &layers {
            let [out, into] = projection.shape(model);
            let module = projection.full_name(*layer);
            if *rank > out.min(into) {
                let expected = format!("at most {}, the smaller side of {module}", out.min(into));
                return Err(wrong("r", expected, rank));
            }
            if !scale.is_finite() {
                return Err(wrong("lora_alpha", format!("a finite scale of {module}"), scale));
            }
        }
        Ok(layers)
    }

    /// LoRA on the modules that the configuration names, `lora_A` uniform within ±1/√in as PEFT begins.
    ///
    /// # Errors
    ///
    /// As [`layers`](Self::layers).
    pub fn adapter(
        &self,
        config: &AdapterConfig,
        model: &DecoderConfig,
        device: &Device,
    ) -> Result<LoraWeights, LoadError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut lora = LoraWeights::default();
        for ((layer, projection), (rank, scale)) in Self::layers(config, model)? {
            let [out, into] = projection.shape(model);
            let a = uniform(&mut rng, [rank, into], 1.0 / (into as f32).sqrt(), device);
            let b = uniform(&mut rng, [out, rank], self.spread_b, device);
            lora.pairs.insert((layer, projection), LoraPair { a, b, scale });
        }
        Ok(lora)
    }

    /// Bias and mask.
    #[must_use]
    pub fn head(&self, vocab_size: usize) -> RewardHead {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x4ead);
        let bias = (0..vocab_size).map(|_| symmetric_f32(&mut rng) * self.spread_bias).collect();
        let mask: Vec<bool> = (0..vocab_size).map(|_| f64::from(unit_f32(&mut rng)) < self.unseen).collect();
        RewardHead { bias, unseen: TokenSet::from_mask(&mask) }
    }
}

/// A value of an adapter's configuration that will not do.
fn wrong(field: &str, expected: String, found: impl std::fmt::Display) -> LoadError {
    LoadError::Field { path: "adapter_config.json".into(), field: field.to_owned(), expected, found: found.to_string() }
}

fn uniform(rng: &mut ChaCha8Rng, shape: [usize; 2], spread: f32, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| symmetric_f32(rng) * spread).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}
