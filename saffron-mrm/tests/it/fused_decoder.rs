//! A whole decoder in training: with operations of its own against without them.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use saffron_mrm::checkpoint::{LoraPair, LoraWeights, Projection};
use saffron_mrm::nn::CausalAttention;
use saffron_mrm::{Base, DecoderConfig};

use crate::families::{families, within};
use crate::fixtures::dir;

/// Numbers in [−0.1, 0.1), the same each time.
fn parameter(shape: [usize; 2], seed: u64, device: &Device) -> Tensor<2> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut next = || ((rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.1;
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| next()).collect();
    Tensor::from_data(TensorData::new(values, shape), device).require_grad()
}

/// An adapter on these projections, of ranks 1, 2 and 3 by turns.
fn adapter(config: &DecoderConfig, projections: &[Projection], device: &Device) -> LoraWeights {
    let places = (0..config.num_hidden_layers).flat_map(|layer| projections.iter().map(move |place| (layer, *place)));
    let pair = |(number, (layer, projection)): (usize, (usize, Projection))| {
        let ([out, into], rank) = (projection.shape(config), 1 + number % 3);
        let a = parameter([rank, into], 2 * number as u64, device);
        let b = parameter([out, rank], 2 * number as u64 + 1, device);
        ((layer, projection), LoraPair { a, b, scale: 1.5 })
    };
    LoraWeights { pairs: places.enumerate().map(pair).collect() }
}

/// Which rows of a pass: all of them, some after it, or these alone.
#[derive(Clone, Copy)]
enum Wanted {
    All,
    Selected,
    Asked,
}

/// A pass's output and the gradients of all factors; of some rows or of all.
fn pass(base: &Base, projections: &[Projection], device: &Device, wanted: Wanted) -> Vec<Vec<f32>> {
    let config = base.decoder().config();
    let decoder = base.decoder().map_weights(|weights| Tensor::from_data(weights.into_data(), device));
    let lora = adapter(config, projections, device);
    let decoder = decoder.with_lora(lora.clone());
    let tokens: Vec<u32> = (0..22).map(|row| row * 7 % 90).collect();
    let positions: Vec<u32> = (0..22).map(|row| row % 11).collect();
    let attention = &mut CausalAttention::new(config, 2, 11, device);
    let rows = Tensor::<1, Int>::from_data([3, 21, 10, 11], device);
    let y = match wanted {
        Wanted::All => decoder.forward(&tokens, &positions, attention),
        Wanted::Selected => decoder.forward(&tokens, &positions, attention).select(1, rows),
        Wanted::Asked => decoder.forward_rows(&tokens, &positions, &rows, attention),
    };
    let gradients = y.clone().square().mean().backward();
    let factors = lora.pairs.values().flat_map(|pair| [&pair.a, &pair.b]);
    let gradients = factors.map(|factor| factor.grad(&gradients).unwrap().into_data());
    std::iter::once(y.into_data()).chain(gradients).map(|data| data.try_into_vec().unwrap()).collect()
}

#[test]
fn a_decoder_in_training_gives_what_it_gives_without_operations_of_its_own() {
    for model in ["tiny-a", "tiny-b"] {
        let base = base(model);
        for projections in [&Projection::SPLIT[..], &[Projection::Query, Projection::Value], &[Projection::Up]] {
            compare(model, &base, projections);
        }
    }
}

#[test]
fn every_family_in_training_gives_what_it_gives_without_operations_of_its_own() {
    for name in families() {
        let base = base(&within(&name));
        compare(&name, &base, Projection::of_block(base.decoder().config()));
    }
}

fn compare(model: &str, base: &Base, projections: &[Projection]) {
    let fused = pass(base, projections, &Device::flex().autodiff(), Wanted::All);
    // The operations are not for devices that recompute activations.
    let plain = pass(base, projections, &Device::flex().autodiff().gradient_checkpointing(), Wanted::All);
    assert_same(model, &fused, &plain);
    assert!(fused != plain, "the operations ran");
}

#[test]
fn rows_that_are_asked_for_are_those_of_a_whole_pass() {
    for device in [Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()] {
        let base = base("tiny-a");
        let selected = pass(&base, &Projection::SPLIT, &device, Wanted::Selected);
        assert_same("tiny-a", &pass(&base, &Projection::SPLIT, &device, Wanted::Asked), &selected);
    }
}

fn base(model: &str) -> Base {
    Base::open(dir(model).join("guard"), &Device::flex(), DType::F32).unwrap()
}

fn assert_same(model: &str, found: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let size = expected.iter().map(|value| value.abs()).fold(0.0, f32::max);
        let gap = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(found.len() == expected.len() && size > 0.0 && gap <= 1e-5 * size, "{model}: {gap} of {size}");
    }
}
