//! Random decoders.

use burn::tensor::Device;
use saffron_mrm::{DecoderConfig, LoadError};
use saffron_train::Init;

use super::{config, matrices};

fn random(config: &DecoderConfig, seed: u64) -> Vec<Vec<f32>> {
    matrices(&Init::neutral(seed).decoder(config, &Device::flex()).unwrap())
}

#[test]
fn a_seed_means_the_same_decoder_again() {
    let config = config(false);
    assert_eq!(random(&config, 5), random(&config, 5));
    for (one, other) in random(&config, 5).iter().zip(random(&config, 6)) {
        assert_ne!(*one, other);
    }
}

#[test]
fn weights_are_as_large_as_their_place_asks() {
    let large = DecoderConfig { hidden_size: 128, intermediate_size: 256, num_hidden_layers: 8, ..config(false) };
    let found = random(&large, 1);
    let deviation = |values: &[f32]| {
        let squares: f64 = values.iter().map(|value| f64::from(value * value)).sum();
        (squares / values.len() as f64).sqrt()
    };
    let (into, residual) = (128f64.sqrt().recip(), 16f64.sqrt());
    let block = [into, 24f64.sqrt().recip() / residual, into, 256f64.sqrt().recip() / residual];
    let expected = std::iter::once(into).chain((0..8).flat_map(|_| block)).chain([into]);
    for (place, (values, expected)) in found.iter().zip(expected).enumerate() {
        let found = deviation(values);
        assert!((found / expected - 1.0).abs() < 0.05, "matrix {place}: {found} for {expected}");
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.1 * expected, "matrix {place}: {mean} on average");
    }
}

#[test]
fn sizes_that_no_decoder_has_are_refused_by_name() {
    let odd = DecoderConfig { head_dim: 5, ..config(true) };
    let empty = DecoderConfig { vocab_size: 0, ..config(true) };
    for (config, name) in [(odd, "head_dim"), (empty, "vocab_size")] {
        let error = Init::neutral(0).decoder(&config, &Device::flex()).unwrap_err();
        assert!(matches!(&error, LoadError::Field { field, .. } if field == name), "{error}");
    }
}
