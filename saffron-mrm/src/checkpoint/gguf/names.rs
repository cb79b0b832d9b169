//! Names of tensors, there and in Hugging Face's layout, and what is stored in another order.

use crate::checkpoint::modules::{self, EMBEDDING, HEAD, NORM};
use crate::config::DecoderConfig;
use crate::nn::NormPlace;
use crate::nn::lora::Projection;

/// A tensor's name in Hugging Face's layout. One that is not known keeps its own, under which
/// nothing is expected.
pub(super) fn hugging_face(name: &str, config: &DecoderConfig) -> String {
    known(name, config).unwrap_or_else(|| name.to_owned())
}

fn known(name: &str, config: &DecoderConfig) -> Option<String> {
    match name {
        "token_embd.weight" => return Some(EMBEDDING.to_owned()),
        "output_norm.weight" => return Some(NORM.to_owned()),
        "output.weight" => return Some(HEAD.to_owned()),
        _ => {}
    }
    let (number, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let layer = number.parse().ok().filter(|layer: &usize| layer.to_string() == number)?;
    let (part, kind) = part.split_once('.')?;
    let has = |place: &NormPlace| NormPlace::of(config).any(|(known, _)| known == *place);
    match (norm_place(part), kind) {
        (Some(place), "weight") if has(&place) => Some(modules::norm(layer, place, config)),
        (None, "weight" | "bias") => Some(format!("{}.{kind}", projection(part, config)?.full_name(layer))),
        _ => None,
    }
}

fn norm_place(part: &str) -> Option<NormPlace> {
    match part {
        "attn_norm" => Some(NormPlace::BeforeAttention),
        "attn_q_norm" => Some(NormPlace::Queries),
        "attn_k_norm" => Some(NormPlace::Keys),
        "post_attention_norm" => Some(NormPlace::BehindAttention),
        "ffn_norm" => Some(NormPlace::BeforeMlp),
        "post_ffw_norm" => Some(NormPlace::BehindMlp),
        _ => None,
    }
}

fn projection(part: &str, config: &DecoderConfig) -> Option<Projection> {
    match part {
        "attn_q" => Some(Projection::Query),
        "attn_k" => Some(Projection::Key),
        "attn_v" => Some(Projection::Value),
        "attn_qkv" => Some(Projection::QueryKeyValue),
        "attn_output" => Some(Projection::Output),
        "ffn_gate" => Some(Projection::Gate),
        "ffn_up" if config.choices.fused => Some(Projection::GateUp),
        "ffn_up" => Some(Projection::Up),
        "ffn_down" => Some(Projection::Down),
        _ => None,
    }
}

/// Whether a tensor has the weights of a norm, by its name in Hugging Face's layout.
pub(super) fn is_norm(name: &str) -> bool {
    name.ends_with("norm.weight")
}

/// How many heads a tensor's rows belong to that stand in the order of rotary pairs: those of
/// queries and keys.
pub(super) fn rotary_heads(name: &str, config: &DecoderConfig) -> Option<usize> {
    if name.contains(".q_proj.") {
        Some(config.num_attention_heads)
    } else if name.contains(".k_proj.") {
        Some(config.num_key_value_heads)
    } else {
        None
    }
}

/// Rows of heads whose rotary pairs stand side by side, put in the order of Hugging Face's layout:
/// first the pairs' first halves, then their second ones. The shapes have been checked.
pub(super) fn halves_apart(values: &[f32], heads: usize, head_dim: usize) -> Vec<f32> {
    let columns = values.len() / (heads * head_dim);
    let place = |row: usize| {
        let (head, at) = (row / head_dim, row % head_dim);
        let (half, pair) = (at / (head_dim / 2), at % (head_dim / 2));
        head * head_dim + 2 * pair + half
    };
    (0..heads * head_dim).flat_map(|row| &values[place(row) * columns..][..columns]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Choices, NormPlaces};

    fn decoder(choices: Choices) -> DecoderConfig {
        DecoderConfig {
            hidden_size: 8,
            intermediate_size: 8,
            num_hidden_layers: 13,
            num_attention_heads: 2,
            num_key_value_heads: 2,
            head_dim: 4,
            vocab_size: 8,
            max_position_embeddings: 8,
            rms_norm_eps: 1e-6,
            tie_word_embeddings: true,
            eos_token_ids: Vec::new(),
            choices,
        }
    }

    #[test]
    fn names_are_those_of_the_other_layout() {
        let plain = decoder(Choices::llama(1e4));
        let name = |name| hugging_face(name, &plain);
        assert_eq!(name("blk.12.attn_q.weight"), "model.layers.12.self_attn.q_proj.weight");
        assert_eq!(name("blk.0.ffn_norm.weight"), "model.layers.0.post_attention_layernorm.weight");
        assert_eq!(name("blk.0.ffn_up.bias"), "model.layers.0.mlp.up_proj.bias");
        assert_eq!(name("token_embd.weight"), "model.embed_tokens.weight");
        for unknown in [
            "blk.0.ffn_gate_inp.weight",
            "blk.00.attn_q.weight",
            "blk.0.attn_norm.bias",
            "blk.0.attn_q",
            "blk.0.post_attention_norm.weight",
        ] {
            assert_eq!(name(unknown), unknown);
        }
    }

    #[test]
    fn where_norms_stand_and_what_is_fused_decides_names() {
        let around = decoder(Choices { norms: NormPlaces::Around, fused: true, ..Choices::llama(1e4) });
        let name = |name| hugging_face(name, &around);
        assert_eq!(name("blk.1.ffn_norm.weight"), "model.layers.1.pre_feedforward_layernorm.weight");
        assert_eq!(name("blk.1.post_attention_norm.weight"), "model.layers.1.post_attention_layernorm.weight");
        assert_eq!(name("blk.1.post_ffw_norm.weight"), "model.layers.1.post_feedforward_layernorm.weight");
        assert_eq!(name("blk.1.ffn_up.weight"), "model.layers.1.mlp.gate_up_proj.weight");
        assert_eq!(name("blk.1.attn_qkv.weight"), "model.layers.1.self_attn.qkv_proj.weight");
    }

    #[test]
    fn pairs_side_by_side_come_apart_head_by_head() {
        // Two heads of width 4, one column: pairs (0, 1), (2, 3).
        assert_eq!(halves_apart(&[0., 1., 2., 3., 10., 11., 12., 13.], 2, 4), [0., 2., 1., 3., 10., 12., 11., 13.]);
        // Rows stay whole.
        assert_eq!(halves_apart(&[0., 0.5, 1., 1.5], 1, 2), [0., 0.5, 1., 1.5]);
    }
}
