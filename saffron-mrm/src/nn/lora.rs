//! Low-rank changes of a decoder's linear layers (LoRA).

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor};

use crate::config::DecoderConfig;

/// A linear layer of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// `self_attn.q_proj`
    Query,
    /// `self_attn.k_proj`
    Key,
    /// `self_attn.v_proj`
    Value,
    /// `self_attn.o_proj`
    Output,
    /// `mlp.gate_proj`
    Gate,
    /// `mlp.up_proj`
    Up,
    /// `mlp.down_proj`
    Down,
    /// `self_attn.qkv_proj`, where queries, keys and values are one module.
    QueryKeyValue,
    /// `mlp.gate_up_proj`, where gate and up are one module.
    GateUp,
    /// `lm_head`, the unembedding. It has no block; adapters count it to layer 0.
    Head,
}

impl Projection {
    /// Those of a block whose projections are modules of their own.
    pub const SPLIT: [Self; 7] = [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];
    /// Those of a block where projections of the same input are one module.
    pub const FUSED: [Self; 4] = [Self::QueryKeyValue, Self::Output, Self::GateUp, Self::Down];

    /// The modules of a decoder's blocks, in the order of its files.
    #[must_use]
    pub fn of_block(config: &DecoderConfig) -> &'static [Self] {
        if config.choices.fused { &Self::FUSED } else { &Self::SPLIT }
    }

    /// The module's name within a block, or within the model for the unembedding, as checkpoints
    /// spell it.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Query => "self_attn.q_proj",
            Self::Key => "self_attn.k_proj",
            Self::Value => "self_attn.v_proj",
            Self::Output => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
            Self::QueryKeyValue => "self_attn.qkv_proj",
            Self::GateUp => "mlp.gate_up_proj",
            Self::Head => "lm_head",
        }
    }

    /// The last part of the module's name, as adapter configurations spell it.
    #[must_use]
    pub fn target(self) -> &'static str {
        self.module().rsplit('.').next().unwrap_or_default()
    }

    /// The module's full name, as checkpoints spell it.
    #[must_use]
    pub fn full_name(self, layer: usize) -> String {
        match self {
            Self::Head => self.module().to_owned(),
            _ => format!("model.layers.{layer}.{}", self.module()),
        }
    }

    /// `[out, in]` of the layer's weight.
    #[must_use]
    pub fn shape(self, config: &DecoderConfig) -> [usize; 2] {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        match self {
            Self::Query => [config.query_width(), hidden],
            Self::Key | Self::Value => [config.key_width(), hidden],
            Self::Output => [hidden, config.query_width()],
            Self::Gate | Self::Up => [wide, hidden],
            Self::Down => [hidden, wide],
            Self::QueryKeyValue => [config.query_width() + 2 * config.key_width(), hidden],
            Self::GateUp => [2 * wide, hidden],
            Self::Head => [config.vocab_size, hidden],
        }
    }
}

/// One adapted layer: the weight is `W + scale · B A`.
#[derive(Clone, Debug)]
pub struct LoraPair {
    /// PEFT's `lora_A`, `[rank, in]`.
    pub a: Tensor<2>,
    /// PEFT's `lora_B`, `[out, rank]`.
    pub b: Tensor<2>,
    /// `alpha / rank`, or `alpha / √rank` for rank-stabilised LoRA.
    pub scale: f64,
}

impl LoraPair {
    /// The pair in another type.
    pub(crate) fn cast(&self, dtype: DType) -> Self {
        Self { a: self.a.clone().cast(dtype), b: self.b.clone().cast(dtype), scale: self.scale }
    }

    /// Operations for one row: two a weight.
    pub(crate) fn flops(&self) -> u64 {
        2 * (self.a.shape().num_elements() + self.b.shape().num_elements()) as u64
    }
}

/// The adapted layers of a decoder, by block and projection.
#[derive(Clone, Debug, Default)]
pub struct LoraWeights {
    /// The pairs.
    pub pairs: BTreeMap<(usize, Projection), LoraPair>,
}
