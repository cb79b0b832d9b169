//! The operations against their twins in burn's: values, and gradients of a weighted sum of them.

use burn::tensor::activation::silu;
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::config::{DecoderConfig, RopeScaling};
use crate::nn::{Attend, CausalAttention, Rope};

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
        let joint = numbers([2 * width, rows], 1).mul_scalar(20.0);
        let plain = |joint: &Tensor<2>| {
            silu(joint.clone().slice_dim(0, 0..width)) * joint.clone().slice_dim(0, width..2 * width)
        };
        assert_same(derived(&joint, |joint| super::swiglu(joint).unwrap()), derived(&joint, plain));
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
    assert!(!super::serves(&x) && super::swiglu(&x).is_none());
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
        rope_theta: 100.0,
        rope_scaling: RopeScaling::Plain,
        tie_word_embeddings: true,
        attention_bias: false,
        mlp_bias: false,
        eos_token_ids: Vec::new(),
    }
}

/// Attention from burn's operations.
fn plain(joint: &Tensor<2>, positions: &[u32], config: &DecoderConfig, attention: &mut CausalAttention) -> Tensor<2> {
    let (heads, group, width, rows) = (config.num_key_value_heads, config.group(), config.head_dim, joint.dims()[1]);
    let rope = Rope::new(config).rows(positions, DType::F32, &joint.device());
    let (q, kv) = (config.query_width(), config.key_width());
    let part = |from: usize, to: usize| joint.clone().slice_dim(0, from..to).reshape([-1, width as i32, rows as i32]);
    let queries: Tensor<3> = rope.rotate(part(0, q)).div_scalar((width as f64).sqrt());
    let queries = queries.reshape([heads, group, width, rows]).permute([0, 3, 1, 2]);
    let keys = rope.rotate(part(q, q + kv)).swap_dims(1, 2);
    attention.attend(0, queries, keys, part(q + kv, q + 2 * kv).swap_dims(1, 2))
}

fn compare(shape: [usize; 3], attention: &CausalAttention, rows: usize) {
    let [heads, group, width] = shape;
    let config = config(heads, group, width);
    let positions: Vec<u32> = (0..rows as u32).map(|row| row * 5 % 17).collect();
    let joint = numbers([config.query_width() + 2 * config.key_width(), rows], 4);
    let rope = Rope::new(&config).rows(&positions, DType::F32, &joint.device());
    let fused = |joint: &Tensor<2>| attention.clone().attend_joint(joint, &rope, &config).unwrap();
    assert_same(
        derived(&joint, fused),
        derived(&joint, |joint| plain(joint, &positions, &config, &mut attention.clone())),
    );
}

#[test]
fn causal_attention_has_the_value_and_gradient_of_its_twin() {
    let device = Device::flex().autodiff();
    for (shape, sequences, length) in [([1, 1, 2], 1, 1), ([2, 3, 10], 3, 7), ([1, 2, 64], 2, 37), ([3, 1, 34], 1, 70)]
    {
        compare(shape, &CausalAttention::new(sequences, length, shape[1], &device), sequences * length);
    }
}

#[test]
fn attention_through_a_view_has_the_value_and_gradient_of_its_twin() {
    let device = Device::flex().autodiff();
    // Rows from 20 on see nothing of those from 9 to 19; in the second sequence everyone sees everyone.
    let sees = |sequence: usize, row: usize, key: usize| {
        sequence == 1 || (key <= row && (row < 20 || !(9..20).contains(&key)))
    };
    compare([2, 2, 6], &CausalAttention::with_view(2, 45, 2, sees, &device), 90);
    let branches = |_: usize, row: usize, key: usize| sees(0, row, key);
    compare([2, 2, 6], &CausalAttention::with_view(2, 45, 2, branches, &device), 90);
}

#[test]
fn values_and_gradients_do_not_depend_on_the_number_of_threads() {
    let config = config(2, 3, 10);
    let device = Device::flex().autodiff();
    let attention = CausalAttention::new(3, 50, 3, &device);
    let positions: Vec<u32> = (0..150).collect();
    let rope = Rope::new(&config).rows(&positions, DType::F32, &device);
    let joint = numbers([config.query_width() + 2 * config.key_width(), 150], 5);
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let attend = |x: &Tensor<2>| attention.clone().attend_joint(x, &rope, &config).unwrap();
            let norm = |x: &Tensor<2>| super::rms_norm(x, &numbers([100, 1], 6), 1e-5).unwrap();
            let gate = |x: &Tensor<2>| super::swiglu(x).unwrap();
            [derived(&joint, attend), derived(&joint, norm), derived(&joint, gate)]
        })
    };
    assert_eq!(all(1), all(3));
}
