//! The decoder's sizes, read from a Hugging Face `config.json`. Field names are that file's own.

use std::path::Path;

use saffron_core::{DecoderShape, Token};

use crate::error::LoadError;

mod family;
mod fields;
mod read;
mod rope;
mod write;

pub(crate) use fields::Fields;
#[cfg(feature = "gguf")]
pub(crate) use write::ids_json;

/// Everything that decides the shape and arithmetic of a Llama-family decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated MLP.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Query heads per layer.
    pub num_attention_heads: usize,
    /// Key heads per layer; divides the query heads.
    pub num_key_value_heads: usize,
    /// Width of a head; need not be `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Longest context, in tokens.
    pub max_position_embeddings: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the frequencies are stretched.
    pub rope_scaling: RopeScaling,
    /// Whether the unembedding is the embedding.
    pub tie_word_embeddings: bool,
    /// Whether the four attention projections have biases.
    pub attention_bias: bool,
    /// Whether the three MLP projections have biases.
    pub mlp_bias: bool,
    /// Tokens that end a sequence, as far as this file says.
    pub eos_token_ids: Vec<Token>,
}

/// Stretching of rotary frequencies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    Plain,
    /// `rope_type: llama3`: long waves are stretched by `factor`, short ones left alone, those between blended.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Waves longer than the original context divided by this are stretched in full.
        low_freq_factor: f64,
        /// Waves shorter than the original context divided by this are left alone.
        high_freq_factor: f64,
        /// Context length before stretching.
        original_max_position_embeddings: f64,
    },
}

impl RopeScaling {
    /// A rotary frequency as it is used. Llama 3's stretching: in full for waves longer than `original / low`, not at all for those shorter than
    /// `original / high`, blended between.
    #[must_use]
    pub fn stretch(self, frequency: f64) -> f64 {
        let Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = self else {
            return frequency;
        };
        let waves = original_max_position_embeddings * frequency / (2.0 * std::f64::consts::PI);
        let blend = ((waves - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
        frequency * (blend + (1.0 - blend) / factor)
    }
}

impl DecoderConfig {
    /// Reads and checks `config.json` of a checkpoint directory.
    ///
    /// # Errors
    ///
    /// An unreadable file, a model of another family, or a value that this decoder does not
    /// support, by name.
    pub fn from_dir(dir: &Path) -> Result<Self, LoadError> {
        Self::from_file(&dir.join("config.json"))
    }

    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    ///
    /// As [`from_dir`](Self::from_dir).
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let config = read::config(path)?;
        config.check(path)?;
        Ok(config)
    }

    /// Width of all query heads.
    #[must_use]
    pub fn query_width(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Width of all key heads.
    #[must_use]
    pub fn key_width(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Query heads per key head.
    #[must_use]
    pub fn group(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }

    /// The sizes for closed-form FLOPs.
    #[must_use]
    pub fn shape(&self) -> DecoderShape {
        DecoderShape {
            layers: self.num_hidden_layers as u64,
            hidden: self.hidden_size as u64,
            q: self.query_width() as u64,
            kv: self.key_width() as u64,
            intermediate: self.intermediate_size as u64,
            vocab: self.vocab_size as u64,
            lora_per_token: 0,
        }
    }

    pub(crate) fn check(&self, path: &Path) -> Result<(), LoadError> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        // Far above any model, and low enough that no product of two overflows.
        if let Some((field, size)) = sizes.iter().find(|(_, size)| *size == 0 || *size > 1 << 24) {
            return Err(LoadError::field(path, *field, "1 to 16777216", size));
        }
        if self.num_hidden_layers > 4096 {
            return Err(LoadError::field(path, "num_hidden_layers", "1 to 4096", self.num_hidden_layers));
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            let expected = format!("a divisor of num_attention_heads = {}", self.num_attention_heads);
            return Err(LoadError::field(path, "num_key_value_heads", expected, self.num_key_value_heads));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(LoadError::field(path, "head_dim", "an even number", self.head_dim));
        }
        for (field, value) in [("rms_norm_eps", self.rms_norm_eps), ("rope_theta", self.rope_theta)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(LoadError::field(path, field, "a finite number above 0", value));
            }
        }
        Ok(())
    }
}
