//! Names of tensors, there and in Hugging Face's layout, and the one thing that is stored in another order.

use crate::config::DecoderConfig;

/// What the rotary frequencies are divided by, where they are stretched.
pub(super) const FREQUENCIES: &str = "rope_freqs.weight";

const BLOCK: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

const OTHER: [(&str, &str); 3] =
    [("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

/// A tensor's name in Hugging Face's layout. One that is not known keeps its own, under which nothing is expected.
pub(super) fn hugging_face(name: &str) -> String {
    let known = |table: &[(&str, &'static str)], part: &str| {
        table.iter().find(|(own, _)| *own == part).map(|(_, theirs)| *theirs)
    };
    let parts: Vec<&str> = name.split('.').collect();
    let found = match parts[..] {
        ["blk", layer, part, kind] => known(&BLOCK, part).map(|part| format!("model.layers.{layer}.{part}.{kind}")),
        [part, kind] => known(&OTHER, part).map(|part| format!("{part}.{kind}")),
        _ => None,
    };
    found.unwrap_or_else(|| name.to_owned())
}

/// How many heads a tensor's rows belong to that stand in the order of rotary pairs: those of queries and keys.
pub(super) fn rotary_heads(name: &str, config: &DecoderConfig) -> Option<usize> {
    if name.contains(".q_proj.") {
        Some(config.num_attention_heads)
    } else if name.contains(".k_proj.") {
        Some(config.num_key_value_heads)
    } else {
        None
    }
}

/// Rows of heads whose rotary pairs stand side by side, put in the order of Hugging Face's layout: first the pairs' first halves, then their
/// second ones. The shapes have been checked.
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

    #[test]
    fn names_are_those_of_the_other_layout() {
        assert_eq!(hugging_face("blk.12.attn_q.weight"), "model.layers.12.self_attn.q_proj.weight");
        assert_eq!(hugging_face("blk.0.ffn_norm.weight"), "model.layers.0.post_attention_layernorm.weight");
        assert_eq!(hugging_face("token_embd.weight"), "model.embed_tokens.weight");
        assert_eq!(hugging_face("blk.0.ffn_gate_inp.weight"), "blk.0.ffn_gate_inp.weight");
    }

    #[test]
    fn pairs_side_by_side_come_apart_head_by_head() {
        // Two heads of width 4, one column: pairs (0, 1), (2, 3).
        assert_eq!(halves_apart(&[0., 1., 2., 3., 10., 11., 12., 13.], 2, 4), [0., 2., 1., 3., 10., 12., 11., 13.]);
        // Rows stay whole.
        assert_eq!(halves_apart(&[0., 0.5, 1., 1.5], 1, 2), [0., 0.5, 1., 1.5]);
    }
}
