//! A decoder's description: its sizes, and the choices in which families differ. Fields of sizes
//! are named as in a Hugging Face `config.json`.

use std::path::Path;

use saffron_core::{DecoderShape, Sliding, Token};

use crate::error::LoadError;

mod choices;
mod fields;
#[cfg(feature = "gguf")]
mod metadata;
mod rotary;

pub use choices::{Activation, Biases, Choices, Family, HeadNormKind, Layer, Layers, NormPlaces, NormWeights, Scales};
pub(crate) use fields::{Fields, Seen, present};
#[cfg(feature = "gguf")]
pub(crate) use metadata::{Metadata, Pattern, decimal};
pub use rotary::{ContextLength, LongRope, RopeScaling, Rotary, Yarn};

/// Everything that decides the shape and arithmetic of a decoder.
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
    /// Whether the unembedding is the embedding.
    pub tie_word_embeddings: bool,
    /// Tokens that end a sequence, as far as this file says.
    pub eos_token_ids: Vec<Token>,
    /// What is computed.
    pub choices: Choices,
}

impl DecoderConfig {
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
            lora_per_output: 0,
            sliding: self.sliding(),
        }
    }

    /// Its layers with windows. Their widths are equal in every family; of several the widest
    /// counts.
    fn sliding(&self) -> Sliding {
        let windows = (0..self.num_hidden_layers).filter_map(|layer| self.layer(layer).window);
        Sliding { layers: windows.clone().count() as u64, window: windows.max().unwrap_or(0) as u64 }
    }

    /// Rotary positions and window of a layer.
    #[must_use]
    pub fn layer(&self, number: usize) -> &Layer {
        self.choices.layers.layer(number)
    }

    /// The different windows of its layers, none among them for layers that see everything, and
    /// which of them each layer has.
    #[must_use]
    pub fn windows(&self) -> (Vec<Option<usize>>, Vec<usize>) {
        let mut windows: Vec<Option<usize>> = Vec::new();
        let place = |layer| {
            let window = self.layer(layer).window;
            windows.iter().position(|known| *known == window).unwrap_or_else(|| {
                windows.push(window);
                windows.len() - 1
            })
        };
        let of_layer = (0..self.num_hidden_layers).map(place).collect();
        (windows, of_layer)
    }

    /// What the scores of attention are multiplied by.
    #[must_use]
    pub fn score_scale(&self) -> f64 {
        self.choices.scales.score.unwrap_or(1.0 / (self.head_dim as f64).sqrt())
    }

    /// Which rotary frequencies serve, where there are [several](LongRope).
    #[must_use]
    pub fn context_length(&self) -> ContextLength {
        let rotaries = self.choices.layers.kinds().iter().filter_map(|layer| layer.rotary.as_ref());
        let serving = rotaries.filter_map(|rotary| match &rotary.scaling {
            RopeScaling::LongRope(scaling) => Some(scaling.serves),
            _ => None,
        });
        serving.max_by_key(|length| *length == ContextLength::Long).unwrap_or_default()
    }

    /// The longest context for the rotary frequencies that serve, in tokens. It is below
    /// [`max_position_embeddings`](Self::max_position_embeddings) where longer contexts have
    /// [frequencies of their own](LongRope).
    #[must_use]
    pub fn context_limit(&self) -> usize {
        let short = self.choices.layers.kinds().iter().filter_map(|layer| layer.rotary.as_ref()?.limit());
        short.min().map_or(self.max_position_embeddings, |limit| limit.min(self.max_position_embeddings))
    }

    /// The same description with the rotary frequencies for contexts of a length, where there are
    /// [several](LongRope).
    #[must_use]
    pub fn for_contexts(mut self, length: ContextLength) -> Self {
        let serving = |layer: Layer| Layer { rotary: layer.rotary.map(|rotary| rotary.serving(length)), ..layer };
        self.choices.layers = match self.choices.layers {
            Layers::Alike(layer) => Layers::Alike(serving(layer)),
            Layers::Each(layers) => Layers::Each(layers.into_iter().map(serving).collect()),
        };
        self
    }

    /// Refuses sizes that no decoder has, as reading them from a file does: for configurations made
    /// in code.
    ///
    /// # Errors
    ///
    /// The first field that is out of its range, by name.
    pub fn validate(&self) -> Result<(), LoadError> {
        self.check(Path::new("config.json"))
    }

    pub(crate) fn check(&self, path: &Path) -> Result<(), LoadError> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
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
        if self.head_dim == 0 || self.head_dim > MOST_HEAD {
            return Err(LoadError::field(path, "head_dim", format!("1 to {MOST_HEAD}"), self.head_dim));
        }
        // Keeps counts of operations within 64 bits.
        if self.query_width() > 1 << 20 {
            let expected = format!("at most {} heads of {}", (1 << 20) / self.head_dim, self.head_dim);
            return Err(LoadError::field(path, "num_attention_heads", expected, self.num_attention_heads));
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            let expected = format!("a divisor of num_attention_heads = {}", self.num_attention_heads);
            return Err(LoadError::field(path, "num_key_value_heads", expected, self.num_key_value_heads));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(LoadError::field(path, "head_dim", "an even number", self.head_dim));
        }
        if !is_positive(self.rms_norm_eps) {
            return Err(LoadError::field(path, "rms_norm_eps", POSITIVE, self.rms_norm_eps));
        }
        self.check_choices(path)
    }

    fn check_choices(&self, path: &Path) -> Result<(), LoadError> {
        let Choices { scales, score_cap, logit_cap, layers, .. } = &self.choices;
        if let Layers::Each(layers) = layers
            && layers.len() != self.num_hidden_layers
        {
            let expected = format!("one for each of {} layers", self.num_hidden_layers);
            return Err(LoadError::field(path, "layers", expected, layers.len()));
        }
        let numbers = [
            ("the embedding's multiplier", Some(scales.embedding)),
            ("the residual multiplier", Some(scales.residual)),
            ("the scale of scores", scales.score),
            ("the divisor of logits", Some(scales.logit_divisor)),
            ("the cap of scores", *score_cap),
            ("the cap of logits", *logit_cap),
        ];
        // They are used as float32.
        let is_positive = |value: f64| is_positive(f64::from(value as f32));
        if let Some((name, Some(value))) =
            numbers.iter().find(|(_, value)| value.is_some_and(|value| !is_positive(value)))
        {
            return Err(LoadError::field(path, *name, POSITIVE, value));
        }
        layers.kinds().iter().try_for_each(|layer| self.check_layer(layer, path))
    }

    fn check_layer(&self, layer: &Layer, path: &Path) -> Result<(), LoadError> {
        if layer.window == Some(0) {
            return Err(LoadError::field(path, "sliding_window", "at least 1", 0));
        }
        let Some(rotary) = &layer.rotary else { return Ok(()) };
        if !is_positive(rotary.theta) {
            return Err(LoadError::field(path, "rope_theta", POSITIVE, rotary.theta));
        }
        let width = rotary.width_of(self.head_dim);
        if width > self.head_dim || !width.is_multiple_of(2) {
            let expected = format!("an even number up to head_dim = {}", self.head_dim);
            return Err(LoadError::field(path, "rotated features of a head", expected, width));
        }
        let frequencies = rotary.frequencies(self.head_dim);
        if let Some(found) = frequencies.iter().chain([&rotary.magnitude()]).find(|value| !is_positive(**value)) {
            return Err(LoadError::field(path, "rotary positions", "finite frequencies above 0", found));
        }
        let RopeScaling::LongRope(scaling) = &rotary.scaling else { return Ok(()) };
        if scaling.original_max_position_embeddings < 1.0 {
            let found = scaling.original_max_position_embeddings;
            return Err(LoadError::field(path, "original_max_position_embeddings", "at least 1", found));
        }
        for (name, factors) in [("short_factor", &scaling.short_factor), ("long_factor", &scaling.long_factor)] {
            if factors.len() != width / 2 {
                return Err(LoadError::field(path, name, format!("{} numbers", width / 2), factors.len()));
            }
            if let Some(factor) = factors.iter().find(|factor| !is_positive(**factor)) {
                return Err(LoadError::field(path, name, POSITIVE, factor));
            }
        }
        Ok(())
    }
}

/// No head is wider.
const MOST_HEAD: usize = 1 << 13;

const POSITIVE: &str = "a finite number above 0";

fn is_positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}
