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
    if let Some((_, known)) = TOP.iter().find(|(own, _)| *own == name) {
        return Some((*known).to_owned());
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

/// A block's norms by what a file calls them.
const NORMS: [(&str, NormPlace); 6] = [
    ("attn_norm", NormPlace::BeforeAttention),
    ("attn_q_norm", NormPlace::Queries),
    ("attn_k_norm", NormPlace::Keys),
    ("post_attention_norm", NormPlace::BehindAttention),
    ("ffn_norm", NormPlace::BeforeMlp),
    ("post_ffw_norm", NormPlace::BehindMlp),
];

/// A block's projections by what a file calls them. One name stands for two: which one a block has
/// depends on what is stored as one matrix.
const PROJECTIONS: [(&str, Projection); 9] = [
    ("attn_q", Projection::Query),
    ("attn_k", Projection::Key),
    ("attn_v", Projection::Value),
    ("attn_qkv", Projection::QueryKeyValue),
    ("attn_output", Projection::Output),
    ("ffn_gate", Projection::Gate),
    ("ffn_up", Projection::GateUp),
    ("ffn_up", Projection::Up),
    ("ffn_down", Projection::Down),
];

const TOP: [(&str, &str); 3] =
    [("token_embd.weight", EMBEDDING), ("output_norm.weight", NORM), ("output.weight", HEAD)];

fn norm_place(part: &str) -> Option<NormPlace> {
    NORMS.iter().find(|(name, _)| *name == part).map(|(_, place)| *place)
}

fn projection(part: &str, config: &DecoderConfig) -> Option<Projection> {
    let known = || PROJECTIONS.iter().filter(|(name, _)| *name == part).map(|(_, known)| *known);
    known().find(|known| Projection::of_block(config).contains(known)).or_else(|| known().next())
}

/// All tensors of a decoder, by the names that they have in a file, with those of Hugging Face's
/// layout.
pub(in crate::checkpoint) fn all(config: &DecoderConfig) -> Vec<(String, String)> {
    let top = TOP.iter().filter(|(_, name)| *name != HEAD || !config.tie_word_embeddings);
    let mut names: Vec<(String, String)> = top.map(|(own, name)| ((*own).to_owned(), (*name).to_owned())).collect();
    for layer in 0..config.num_hidden_layers {
        for (part, place) in NORMS {
            if NormPlace::of(config).any(|(known, _)| known == place) {
                names.push((format!("blk.{layer}.{part}.weight"), modules::norm(layer, place, config)));
            }
        }
        for (part, projection) in PROJECTIONS {
            if !Projection::of_block(config).contains(&projection) {
                continue;
            }
            let module = projection.full_name(layer);
            names.push((format!("blk.{layer}.{part}.weight"), format!("{module}.weight")));
            if modules::has_bias(config, projection) {
                names.push((format!("blk.{layer}.{part}.bias"), format!("{module}.bias")));
            }
        }
    }
    names
}

/// Whether a tensor has the weights of a norm, by its name in Hugging Face's layout.
pub(in crate::checkpoint) fn is_norm(name: &str) -> bool {
    name.ends_with("norm.weight")
}

/// How many heads a tensor's rows belong to that stand in the order of rotary pairs: those of
/// queries and keys.
pub(in crate::checkpoint) fn rotary_heads(name: &str, config: &DecoderConfig) -> Option<usize> {
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

/// The same back: rows with their rotary pairs side by side.
pub(in crate::checkpoint) fn side_by_side(values: &[f32], heads: usize, head_dim: usize) -> Vec<f32> {
    let columns = values.len() / (heads * head_dim);
    let place = |row: usize| {
        let (head, at) = (row / head_dim, row % head_dim);
        head * head_dim + at % 2 * (head_dim / 2) + at / 2
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
        assert_eq!(side_by_side(&[0., 2., 1., 3., 10., 12., 11., 13.], 2, 4), [0., 1., 2., 3., 10., 11., 12., 13.]);
        // Rows stay whole.
        assert_eq!(halves_apart(&[0., 0.5, 1., 1.5], 1, 2), [0., 0.5, 1., 1.5]);
    }
}
