//! Integration tests of training on the tiny checkpoints in `fixtures/`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod export;
mod families;
mod full;
mod gradients;
mod guard;
mod labels;
mod next_token;
mod optim;
mod overfit;
mod partial;
mod recipe;
mod run;
mod together;

use std::path::PathBuf;

use burn::module::ParamId;
use burn::tensor::{DType, Device, Tensor};
use saffron_mrm::Base;
use saffron_train::{AdamWSettings, Gradients, Network, Objective, PartialSupervision, Sample, Trainer};

fn dir(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

fn settings(learning_rate: f64) -> AdamWSettings {
    AdamWSettings { learning_rate, ..AdamWSettings::default() }
}

/// The guard of a fixture, to be trained.
fn base(model: &str) -> Base {
    Base::open(dir(model).join("guard"), &Device::flex(), DType::F32).unwrap()
}

/// Begins at a fixture's reward model.
fn network(model: &str) -> Network {
    Network::open(&base(model), &dir(model).join("mrm")).unwrap()
}

fn trainer(model: &str, learning_rate: f64) -> Trainer {
    Trainer::new(network(model), PartialSupervision, settings(learning_rate)).unwrap()
}

fn samples() -> Vec<Sample> {
    vec![
        Sample::new(vec![0, 40, 12, 33, 60], vec![0.5, -1.0, 2.0, -3.0]).unwrap(),
        Sample::new(vec![0, 41, 13], vec![4.0, 1.5]).unwrap(),
    ]
}

fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().iter::<f32>().collect()
}

/// All factors in order, `lora_A` before `lora_B`, and the bias.
fn parameters(network: &Network) -> Vec<Vec<f32>> {
    let pairs = network.lora().pairs;
    let factors = pairs.values().flat_map(|pair| [numbers(&pair.a), numbers(&pair.b)]);
    factors.chain([network.head().bias]).collect()
}

fn bits(network: &Network) -> Vec<u32> {
    parameters(network).into_iter().flatten().map(f32::to_bits).collect()
}

/// The gradients in the order of [`parameters`]; empty where there is none.
fn gradients_of<O: Objective>(trainer: &Trainer<O>, gradients: &Gradients) -> Vec<Vec<f32>> {
    let factors = 2 * trainer.network().lora().pairs.len() as u64;
    let factor = |id: u64| gradients.gradients.get::<2>(ParamId::from(id)).map(|tensor| numbers(&tensor));
    let bias = gradients.gradients.get::<1>(ParamId::from(1)).map(|tensor| numbers(&tensor));
    (2..2 + factors).map(factor).chain([bias]).map(Option::unwrap_or_default).collect()
}

/// The greatest difference of two lists, as a share of the greatest number in the second.
fn apart(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let greatest = expected.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
    let difference = found.iter().zip(expected).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
    if difference == 0.0 { 0.0 } else { difference / greatest }
}
