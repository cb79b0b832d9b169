//! What a model takes in memory, computed from its headers.

use std::collections::BTreeMap;

use burn::tensor::DType;
use saffron_kvtrie::PoolShape;

use super::held::{held_bytes, values};
use crate::base::BaseFiles;
use crate::checkpoint::{Checkpoint, TensorSource, checked_tensors};
use crate::config::DecoderConfig;
use crate::engine::ModelOptions;
use crate::error::LoadError;
use crate::memory::MemoryEstimate;

/// What a process needs beside its models: code, tokenizers, threads, small allocations.
const BESIDE: u64 = 64 << 20;

/// Contexts whose logits a pass is assumed to return together.
const OUTPUTS: u64 = 64;

impl Checkpoint {
    /// What a model of this checkpoint will take in memory. Reads headers, and no weights.
    ///
    /// A checkpoint that says that embedding and unembedding are one, and stores both, counts both:
    /// whether they are equal is seen when they are read.
    ///
    /// # Errors
    ///
    /// A configuration or header that cannot be read; tensors that are missing, superfluous or
    /// misshapen.
    pub fn memory(&self, options: &ModelOptions) -> Result<MemoryEstimate, LoadError> {
        let (config, tensors) = (self.config()?, self.tensors()?);
        let expected = checked_tensors(&*tensors, &config)?;
        Ok(MemoryEstimate {
            weights: weights(&*tensors, &expected, options.dtype),
            kv_per_token: kv_per_token(&config, options.dtype),
            cache: options.cache_bytes,
            working: working(&config, &expected, options),
        })
    }

    /// The same, refused where it is beyond [`memory_limit`](ModelOptions::memory_limit).
    ///
    /// # Errors
    ///
    /// As [`memory`](Self::memory); [`LoadError::Memory`].
    pub(crate) fn check_memory(&self, options: &ModelOptions) -> Result<(), LoadError> {
        let Some(limit) = options.memory_limit else { return Ok(()) };
        let needed = self.memory(options)?;
        needed.check(limit).map_err(|source| LoadError::Memory { path: self.path().to_path_buf(), source })
    }
}

impl BaseFiles {
    /// What a model of this checkpoint will take in memory. Reads headers, and no weights.
    ///
    /// ```no_run
    /// use saffron_mrm::{BaseFiles, ModelOptions};
    /// let files = BaseFiles::open("models/smollm2")?;
    /// let estimate = files.memory(&ModelOptions::default())?;
    /// println!("{} MB of weights, {} MB in all", estimate.weights >> 20, estimate.total() >> 20);
    /// # Ok::<(), saffron_mrm::LoadError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::memory`].
    pub fn memory(&self, options: &ModelOptions) -> Result<MemoryEstimate, LoadError> {
        self.checkpoint().memory(options)
    }
}

fn weights(source: &dyn TensorSource, expected: &BTreeMap<String, Vec<usize>>, dtype: DType) -> u64 {
    expected.keys().fold(0, |sum: u64, name| sum.saturating_add(held_bytes(source, name, dtype)))
}

fn kv_per_token(config: &DecoderConfig, dtype: DType) -> u64 {
    let shape = PoolShape {
        layers: config.num_hidden_layers,
        kv_heads: config.num_key_value_heads,
        head_dim: config.head_dim,
        dtype,
    };
    shape.bytes_per_token()
}

/// What is needed for a while: for loading the largest layer in float32 beside the bytes that it is
/// made of; for a pass the activations of a chunk of a prompt and the logits of a batch.
fn working(config: &DecoderConfig, expected: &BTreeMap<String, Vec<usize>>, options: &ModelOptions) -> u64 {
    let float = DType::F32.size() as u64;
    let (hidden, wide) = (config.hidden_size as u64, config.intermediate_size as u64);
    let qkv = (config.query_width() + 2 * config.key_width()) as u64;
    let joint = hidden.saturating_mul(qkv.max(2 * wide));
    let stored = expected.values().map(|shape| values(shape)).max().unwrap_or(0);
    let loading = joint.max(stored).saturating_mul(2 * float);
    let rows = (options.prefill_chunk.min(config.max_position_embeddings) as u64).max(OUTPUTS);
    let activations = rows.saturating_mul(4 * hidden + 2 * qkv + 3 * wide).saturating_mul(float);
    // Logits are computed on the device and read back.
    let contexts = OUTPUTS.min(options.max_batch as u64);
    let logits = contexts.saturating_mul(2 * float).saturating_mul(config.vocab_size as u64);
    loading.max(activations.saturating_add(logits)).saturating_add(BESIDE)
}
