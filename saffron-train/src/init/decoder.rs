//! Decoders that know nothing yet.

use std::convert::Infallible;

use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_mrm::nn::{Block, BlockNorms, Decoder, Linear, RmsNorm};
use saffron_mrm::{DecoderConfig, LoadError};

use super::{Init, uniform};

/// Sets the numbers apart from those of an adapter of the same seed.
const DECODER: u64 = 0xdec0_de00;

impl Init {
    /// A decoder of random weights, of which only the seed decides. Every matrix is uniform with standard deviation 1/√in (the embedding's
    /// `in` is the hidden width), which keeps the size of what passes through; what a block adds to the residual stream is smaller by
    /// √(2 · layers), so that the stream does not grow with depth (Radford et al. 2019, §2.3). Norms are 1, biases 0.
    ///
    /// # Errors
    ///
    /// A configuration with sizes that no decoder has, by field.
    pub fn decoder(&self, config: &DecoderConfig, device: &Device) -> Result<Decoder, LoadError> {
        config.validate()?;
        let mut random = Random { rng: ChaCha8Rng::seed_from_u64(self.seed ^ DECODER), config, device };
        let table = [config.vocab_size, config.hidden_size];
        let embedding = random.matrix(table, 1.0);
        let blocks = (0..config.num_hidden_layers).map(|_| random.block()).collect();
        let head = (!config.tie_word_embeddings).then(|| random.matrix(table, 1.0));
        let norm = random.norm(config.hidden_size);
        Ok(Decoder::new(config.clone(), embedding, blocks, norm, head))
    }
}

struct Random<'a> {
    rng: ChaCha8Rng,
    config: &'a DecoderConfig,
    device: &'a Device,
}

impl Random<'_> {
    fn block(&mut self) -> Block {
        let config = self.config;
        let (q, kv, hidden, wide) =
            (config.query_width(), config.key_width(), config.hidden_size, config.intermediate_size);
        let residual = 1.0 / (2.0 * config.num_hidden_layers as f32).sqrt();
        let biases = config.choices.biases;
        Block {
            norms: self.norms(),
            qkv: self.linear([q + 2 * kv, hidden], 1.0, biases.qkv),
            output: self.linear([hidden, q], residual, biases.output),
            gate_up: self.linear([2 * wide, hidden], 1.0, biases.mlp),
            down: self.linear([hidden, wide], residual, biases.mlp),
        }
    }

    fn norms(&self) -> BlockNorms {
        let Ok(norms) = BlockNorms::build(self.config, |_, width| Ok::<_, Infallible>(self.norm(width)));
        norms
    }

    fn linear(&mut self, shape: [usize; 2], share: f32, biased: bool) -> Linear {
        let bias = biased.then(|| Tensor::zeros([shape[0], 1], (self.device, DType::F32)));
        Linear::new(self.matrix(shape, share), bias)
    }

    /// Uniform, with a standard deviation of `share / √in`.
    fn matrix(&mut self, shape: [usize; 2], share: f32) -> Tensor<2> {
        uniform(&mut self.rng, shape, share * (3.0 / shape[1] as f32).sqrt(), self.device)
    }

    fn norm(&self, width: usize) -> RmsNorm {
        RmsNorm::neutral(width, self.config.choices.norm_weights, self.config.rms_norm_eps, self.device)
    }
}
