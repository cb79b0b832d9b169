//! Names of a decoder's tensors as Hugging Face's files have them.

use crate::config::{Biases, DecoderConfig, NormPlaces};
use crate::nn::NormPlace;
use crate::nn::lora::Projection;

pub(super) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(super) const HEAD: &str = "lm_head.weight";
pub(super) const NORM: &str = "model.norm.weight";

/// The tensor of a block's norm. What `post_attention_layernorm` is depends on where norms stand.
pub(super) fn norm(layer: usize, place: NormPlace, config: &DecoderConfig) -> String {
    let module = match place {
        NormPlace::BeforeAttention => "input_layernorm",
        NormPlace::Queries => "self_attn.q_norm",
        NormPlace::Keys => "self_attn.k_norm",
        NormPlace::BehindAttention => "post_attention_layernorm",
        NormPlace::BeforeMlp if config.choices.norms == NormPlaces::Before => "post_attention_layernorm",
        NormPlace::BeforeMlp => "pre_feedforward_layernorm",
        NormPlace::BehindMlp => "post_feedforward_layernorm",
    };
    format!("model.layers.{layer}.{module}.weight")
}

/// Whether a projection has a bias.
pub(super) fn has_bias(config: &DecoderConfig, projection: Projection) -> bool {
    let Biases { qkv, output, mlp } = config.choices.biases;
    match projection {
        Projection::Query | Projection::Key | Projection::Value | Projection::QueryKeyValue => qkv,
        Projection::Output => output,
        Projection::Gate | Projection::Up | Projection::GateUp | Projection::Down => mlp,
        Projection::Head => false,
    }
}
