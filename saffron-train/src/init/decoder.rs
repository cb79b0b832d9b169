//! Decoders that know nothing yet.

use burn::tensor::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_mrm::nn::{Block, Decoder, Linear, RmsNorm};
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
        let norm = random.norm();
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
        Block {
            input_norm: self.norm(),
            qkv: self.linear([q + 2 * kv, hidden], 1.0, config.attention_bias),
            output: self.linear([hidden, q], residual, config.attention_bias),
            mlp_norm: self.norm(),
            gate_up: self.linear([2 * wide, hidden], 1.0, config.mlp_bias),
            down: self.linear([hidden, wide], residual, config.mlp_bias),
        }
    }

    fn linear(&mut self, shape: [usize; 2], share: f32, biased: bool) -> Linear {
        let bias = biased.then(|| Tensor::zeros([shape[0], 1], (self.device, DType::F32)));
        Linear::new(self.matrix(shape, share), bias)
    }

    /// Uniform, with a standard deviation of `share / √in`.
    fn matrix(&mut self, shape: [usize; 2], share: f32) -> Tensor<2> {
        uniform(&mut self.rng, shape, share * (3.0 / shape[1] as f32).sqrt(), self.device)
    }

    fn norm(&self) -> RmsNorm {
        RmsNorm::new(Tensor::ones([self.config.hidden_size, 1], (self.device, DType::F32)), self.config.rms_norm_eps)
    }
}
