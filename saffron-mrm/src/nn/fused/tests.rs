//! The operations against their twins in burn's: values, and gradients of a weighted sum of them.

use std::convert::Infallible;

use burn::tensor::activation::{gelu_approximate, silu};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::config::{Activation, Choices, DecoderConfig, HeadNormKind, Layer, Layers, NormWeights, Rotary, Scales};
use crate::nn::{Attend, BlockNorms, CausalAttention, HeadNorms, HeadShape, NormPlace, RmsNorm, Rope, RopeRows};

/// Numbers in [−2, 2).
fn numbers<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut next = || (rng.next_u32() >> 8) as f32 / (1 << 22) as f32 - 2.0;
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
}

/// A function's value at `x` and its gradient there.
fn derived(x: &Tensor<2>, function: impl FnOnce(&Tensor<2>) -> Tensor<2>) -> [Vec<f32>; 2] {
    let x = x.clone().require_grad();
    let y = function(&x);
    let loss = (y.clone() * numbers(y.dims(), 99)).sum();
    let gradient = x.grad(&loss.backward()).unwrap();
    [y.into_data(), gradient.into_data()].map(|data| data.try_into_vec().unwrap())
}

fn assert_same(fused: [Vec<f32>; 2], plain: [Vec<f32>; 2]) {
    for (fused, plain) in fused.iter().zip(&plain) {
        assert_eq!(fused.len(), plain.len());
        let size = plain.iter().map(|value| value.abs()).fold(0.0, f32::max);
        let gap = fused.iter().zip(plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(size > 0.0 && gap <= 2e-6 * size, "{gap} of {size}");
    }
}

#[test]
fn a_gated_activation_has_the_value_and_gradient_of_its_twin() {
    for [width, rows] in [[1, 1], [5, 7], [33, 19], [130, 140]] {
        for (activation, spread) in [(Activation::Silu, 20.0), (Activation::GeluTanh, 2.0)] {
            let joint = numbers([2 * width, rows], 1).mul_scalar(spread);
            let plain = |joint: &Tensor<2>| {
                let gate = joint.clone().slice_dim(0, 0..width);
                let gate = if activation == Activation::Silu { silu(gate) } else { gelu_approximate(gate) };
                gate * joint.clone().slice_dim(0, width..2 * width)
            };
            assert_same(derived(&joint, |joint| super::gated(joint, activation).unwrap()), derived(&joint, plain));
        }
    }
}

#[test]
fn a_norm_has_the_value_and_gradient_of_its_twin() {
    for [width, rows] in [[1, 1], [7, 3], [32, 20], [70, 33]] {
        let (x, weight) = (numbers([width, rows], 2), numbers([width, 1], 3));
        let plain = |x: &Tensor<2>| {
            let scale = x.clone().square().mean_dim(0).add_scalar(1e-5).sqrt().recip();
            x.clone() * scale * weight.clone()
        };
        assert_same(derived(&x, |x| super::rms_norm(x, &weight, 1e-5).unwrap()), derived(&x, plain));
    }
}

#[test]
fn a_norm_whose_weight_is_trained_is_left_to_burn() {
    let (x, weight) = (numbers([4, 3], 2), numbers([4, 1], 3).require_grad());
    assert!(super::rms_norm(&x, &weight, 1e-5).is_none());
}

#[test]
fn tensors_without_a_record_are_left_to_burn() {
    let x = numbers([4, 3], 2).inner();
    assert!(!super::serves(&x) && super::gated(&x, Activation::Silu).is_none());
    assert!(!super::serves(&numbers([4, 3], 2).cast(DType::F16)));
}

fn config(heads: usize, group: usize, head_dim: usize) -> DecoderConfig {
    DecoderConfig {
        hidden_size: 8,
        intermediate_size: 8,
        num_hidden_layers: 1,
        num_attention_heads: heads * group,
        num_key_value_heads: heads,
        head_dim,
        vocab_size: 8,
        max_position_embeddings: 64,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        eos_token_ids: Vec::new(),
        choices: Choices::llama(100.0),
    }
}

/// The tables of the first layer, if it rotates.
fn rope(config: &DecoderConfig, positions: &[u32], device: &Device) -> Option<RopeRows> {
    let rotary = config.layer(0).rotary.as_ref()?;
    Some(Rope::new(rotary, config.head_dim).rows(positions, DType::F32, device))
}

/// Attention from burn's operations.
fn plain(joint: &Tensor<2>, positions: &[u32], config: &DecoderConfig, attention: &mut CausalAttention) -> Tensor<2> {
    let rope = rope(config, positions, &joint.device());
    let (q, kv) = (config.query_width(), config.key_width());
    let part = |from: usize, to: usize| joint.clone().slice_dim(0, from..to);
    let parts = [part(0, q), part(q, q + kv), part(q + kv, q + 2 * kv)];
    let (queries, keys, values) = HeadShape::of(config).split(parts, rope.as_ref());
    attention.attend(0, queries, keys, values)
}

fn compare(config: &DecoderConfig, attention: &CausalAttention, rows: usize) {
    let positions: Vec<u32> = (0..rows as u32).map(|row| row * 5 % 17).collect();
    let joint = numbers([config.query_width() + 2 * config.key_width(), rows], 4);
    let rope = rope(config, &positions, &joint.device());
    let heads = HeadShape::of(config);
    let fused = |joint: &Tensor<2>| attention.clone().attend_joint(0, joint, rope.as_ref(), &heads).unwrap();
    assert_same(
        derived(&joint, fused),
        derived(&joint, |joint| plain(joint, &positions, config, &mut attention.clone())),
    );
}

/// The same heads with every trick of the families: a window, a cap, a scale, a part rotated,
/// nothing rotated.
fn variants(config: &DecoderConfig) -> Vec<DecoderConfig> {
    let part = (config.head_dim / 4 * 2).max(2);
    let rotary = |rotary: Option<Rotary>, window| DecoderConfig {
        choices: Choices { layers: Layers::Alike(Layer { rotary, window }), ..config.choices.clone() },
        ..config.clone()
    };
    let plain = Some(Rotary::plain(100.0));
    let mut capped = rotary(plain.clone(), Some(5));
    capped.choices.score_cap = Some(1.5);
    capped.choices.scales = Scales { score: Some(0.3), ..Scales::default() };
    vec![
        config.clone(),
        rotary(plain, Some(3)),
        capped,
        rotary(Some(Rotary { width: Some(part), ..Rotary::plain(50.0) }), None),
        rotary(None, Some(1)),
    ]
}

#[test]
fn queries_and_keys_are_normed_with_the_value_and_gradient_of_their_twin() {
    for kind in [HeadNormKind::PerHead, HeadNormKind::Whole] {
        let mut config = config(2, 3, 10);
        config.choices.head_norms = kind;
        let make = |_: NormPlace, width| {
            let weight = numbers([width, 1], width as u64).inner().to_data();
            let weight = Tensor::from_data(weight, &Device::flex().autodiff());
            Ok::<_, Infallible>(RmsNorm::stored(weight, NormWeights::OnePlus, 1e-5))
        };
        let Ok(norms) = BlockNorms::build(&config, make);
        let (norms, shape) = (norms.heads.unwrap(), HeadShape::of(&config));
        let joint = numbers([shape.q() + 2 * shape.kv(), 37], 8);
        // Devices that recompute activations take burn's operations.
        assert_same(
            derived(&joint, |joint| super::head_norms(joint, &norms, &shape).unwrap()),
            derived(&joint, |joint| plain_head_norms(joint, &norms, &shape)),
        );
    }
}

fn plain_head_norms(joint: &Tensor<2>, norms: &HeadNorms, shape: &HeadShape) -> Tensor<2> {
    let width = if norms.kind == HeadNormKind::PerHead { [shape.head_dim; 2] } else { [shape.q(), shape.kv()] };
    let rows = joint.dims()[1];
    let norm = |from: usize, features: usize, width: usize, norm: &RmsNorm| {
        let x: Tensor<3> = joint.clone().slice_dim(0, from..from + features).reshape([features / width, width, rows]);
        let scale = x.clone().square().mean_dim(1).add_scalar(1e-5).sqrt().recip();
        let weight = norm.weight().clone().add_scalar(1.0).unsqueeze_dim::<3>(0);
        (x * scale * weight).reshape([features, rows])
    };
    let (q, kv) = (shape.q(), shape.kv());
    let values = joint.clone().slice_dim(0, q + kv..q + 2 * kv);
    Tensor::cat(vec![norm(0, q, width[0], &norms.query), norm(q, kv, width[1], &norms.key), values], 0)
}

#[test]
fn causal_attention_has_the_value_and_gradient_of_its_twin() {
    let device = Device::flex().autodiff();
    for (shape, sequences, length) in [([1, 1, 2], 1, 1), ([2, 3, 10], 3, 7), ([1, 2, 64], 2, 37), ([3, 1, 34], 1, 70)]
    {
        let [heads, group, width] = shape;
        for config in variants(&config(heads, group, width)) {
            compare(&config, &CausalAttention::new(&config, sequences, length, &device), sequences * length);
        }
    }
}

#[test]
fn attention_through_a_view_has_the_value_and_gradient_of_its_twin() {
    let device = Device::flex().autodiff();
    // Rows from 20 on see nothing of those from 9 to 19; in the second sequence everyone sees everyone.
    let sees = |sequence: usize, row: usize, key: usize| {
        sequence == 1 || (key <= row && (row < 20 || !(9..20).contains(&key)))
    };
    let branches = |_: usize, row: usize, key: usize| sees(0, row, key);
    // The branch's rows stand at the trunk's positions again.
    let position = |_: usize, row: usize| if row < 20 { row } else { row - 11 };
    for config in variants(&config(2, 2, 6)) {
        compare(&config, &CausalAttention::with_view(&config, [2, 45], position, sees, &device), 90);
        compare(&config, &CausalAttention::with_view(&config, [2, 45], position, branches, &device), 90);
    }
}

#[test]
fn values_and_gradients_do_not_depend_on_the_number_of_threads() {
    let config = config(2, 3, 10);
    let device = Device::flex().autodiff();
    let attention = CausalAttention::new(&config, 3, 50, &device);
    let positions: Vec<u32> = (0..150).collect();
    let (rope, heads) = (rope(&config, &positions, &device), HeadShape::of(&config));
    let joint = numbers([config.query_width() + 2 * config.key_width(), 150], 5);
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let attend = |x: &Tensor<2>| attention.clone().attend_joint(0, x, rope.as_ref(), &heads).unwrap();
            let norm = |x: &Tensor<2>| super::rms_norm(x, &numbers([100, 1], 6), 1e-5).unwrap();
            let gate = |x: &Tensor<2>| super::gated(x, Activation::Silu).unwrap();
            [derived(&joint, attend), derived(&joint, norm), derived(&joint, gate)]
        })
    };
    assert_eq!(all(1), all(3));
}
