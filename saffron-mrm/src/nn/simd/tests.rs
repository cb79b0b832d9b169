//! The kernels against their twins in burn's operations.

use std::convert::Infallible;

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::config::{Activation, Choices, DecoderConfig, HeadNormKind, NormWeights, Rotary, Scales};
use crate::nn::{BlockNorms, HeadNorms, HeadShape, RmsNorm, Rope};

/// Numbers in [−2, 2).
fn numbers<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut next = || (rng.next_u32() >> 8) as f32 / (1 << 22) as f32 - 2.0;
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let gap = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(size > 0.0 && gap <= 3e-6 * size, "{gap} of {size}");
}

fn config(heads: [usize; 3], kind: HeadNormKind) -> DecoderConfig {
    let [kv_heads, group, head_dim] = heads;
    DecoderConfig {
        hidden_size: 8,
        intermediate_size: 8,
        num_hidden_layers: 1,
        num_attention_heads: kv_heads * group,
        num_key_value_heads: kv_heads,
        head_dim,
        vocab_size: 8,
        max_position_embeddings: 64,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        eos_token_ids: Vec::new(),
        choices: Choices {
            head_norms: kind,
            scales: Scales { score: Some(0.3), ..Scales::default() },
            ..Choices::llama(100.0)
        },
    }
}

fn head_norms(config: &DecoderConfig) -> Option<HeadNorms> {
    let weights = NormWeights::OnePlus;
    let norm = |width| RmsNorm::stored(numbers([width, 1], width as u64), weights, config.rms_norm_eps);
    let Ok(norms) = BlockNorms::build(config, |_, width| Ok::<_, Infallible>(norm(width)));
    norms.heads
}

#[test]
fn heads_are_normed_rotated_and_scaled_as_by_their_twin() {
    let rotaries = [Some(Rotary::plain(100.0)), Some(Rotary { width: Some(4), ..Rotary::plain(50.0) }), None];
    for kind in [HeadNormKind::None, HeadNormKind::PerHead, HeadNormKind::Whole] {
        for (heads, rows) in [([1, 1, 4], 1), ([2, 3, 10], 7), ([3, 2, 64], 300)] {
            let config = config(heads, kind);
            let (norms, shape) = (head_norms(&config), HeadShape::of(&config));
            let joint = numbers([shape.q() + 2 * shape.kv(), rows], 4);
            let positions: Vec<u32> = (0..rows as u32).map(|row| row * 5 % 17).collect();
            for rotary in &rotaries {
                let rope = rotary.as_ref().map(|rotary| Rope::new(rotary, config.head_dim));
                let rope = rope.map(|rope| rope.rows(&positions, DType::F32, &Device::flex()));
                let found = super::split_heads(&joint, norms.as_ref(), rope.as_ref(), &shape).unwrap();
                let part = |from: usize, width: usize| joint.clone().slice_dim(0, from..from + width);
                let (q, kv) = (shape.q(), shape.kv());
                let [queries, keys] = match &norms {
                    Some(norms) => norms.forward(part(0, q), part(q, kv)),
                    None => [part(0, q), part(q, kv)],
                };
                let expected = shape.split([queries, keys, part(q + kv, kv)], rope.as_ref());
                assert_near(&values(found.0), &values(expected.0));
                assert_near(&values(found.1), &values(expected.1));
                assert_near(&values(found.2), &values(expected.2));
            }
        }
    }
}

#[test]
fn gates_are_those_of_their_twin() {
    for activation in [Activation::Silu, Activation::GeluTanh] {
        for [wide, hidden, rows] in [[1, 3, 1], [33, 16, 3], [130, 48, 20]] {
            let (weight, x) = (numbers([2 * wide, hidden], 1), numbers([hidden, rows], 2));
            let joint = weight.clone().matmul(x.clone());
            let part = |from: usize| joint.clone().slice_dim(0, from..from + wide);
            let expected = values(activation.apply(part(0)) * part(wide));
            assert_near(&values(super::gate(&joint, activation).unwrap()), &expected);
            assert_near(&values(super::gated(&weight, &x, activation).unwrap()), &expected);
        }
    }
}

#[test]
fn logits_are_divided_and_capped_as_by_their_twin() {
    for (divisor, cap) in [(1.0, Some(1.5)), (3.0, None), (0.5, Some(0.7))] {
        let choices = Choices {
            scales: Scales { logit_divisor: divisor, ..Scales::default() },
            logit_cap: cap,
            ..Choices::llama(100.0)
        };
        let (logits, bound) = (numbers([40_000], 3), crate::nn::bound::Bound::of(&choices));
        assert_near(&bound.host(values(logits.clone())), &values(bound.tensor(logits)));
    }
}
