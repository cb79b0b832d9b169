//! Gradients against finite differences of the loss, however a batch is computed.

use burn::tensor::{Tensor, TensorData};
use saffron_train::{Network, Objective, PartialSupervision, Sample, Trainer};

use crate::guard::{labelled, objective, pair};
use crate::{apart, base, gradients_of, network, numbers, samples, settings, trainer};

/// The network with one number of one parameter (in the order of `parameters`) moved.
fn moved(model: &str, tensor: usize, entry: usize, by: f32) -> Network {
    let from = network(model);
    let (mut lora, mut head) = (from.lora(), from.head());
    match lora.pairs.values_mut().nth(tensor / 2) {
        Some(pair) if tensor.is_multiple_of(2) => pair.a = with_entry(&pair.a, entry, by),
        Some(pair) => pair.b = with_entry(&pair.b, entry, by),
        None => head.bias[entry] += by,
    }
    Network::new(base(model).decoder(), &lora, from.config().unwrap().clone(), &head)
}

pub(crate) fn with_entry(tensor: &Tensor<2>, entry: usize, by: f32) -> Tensor<2> {
    let mut values = numbers(tensor);
    values[entry] += by;
    Tensor::from_data(TensorData::new(values, tensor.dims()), &tensor.device())
}

/// Places of the two greatest numbers, and one that is fixed.
pub(crate) fn entries(gradient: &[f32]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..gradient.len()).collect();
    places.sort_by(|a, b| gradient[*b].abs().total_cmp(&gradient[*a].abs()));
    vec![places[0], places[1], gradient.len() / 3]
}

/// The slope from differences at two distances, of which Richardson's extrapolation takes the third derivative out.
pub(crate) fn slope(loss: impl Fn(f32) -> f64, step: f32) -> f64 {
    let central = |by: f32| (loss(by) - loss(-by)) / (2.0 * f64::from(by));
    (4.0 * central(step) - central(2.0 * step)) / 3.0
}

fn agree_with_differences<O: Objective + Clone>(model: &str, objective: &O, samples: &[O::Sample]) {
    let trainer = Trainer::new(network(model), objective.clone(), settings(1e-3)).unwrap();
    let found = gradients_of(&trainer, &trainer.gradients(samples).unwrap());
    assert_eq!(
        found.len(),
        2 * 2 * trainer.network().model().num_hidden_layers + 1,
        "two factors of q and v, and a bias"
    );
    for (tensor, gradient) in found.iter().enumerate() {
        let scale = gradient.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
        assert!(scale > 1e-5, "{model}, tensor {tensor}: the fixture's gradient is no noise: {scale}");
        for entry in entries(gradient) {
            let loss = |by: f32| {
                let network = moved(model, tensor, entry, by);
                f64::from(Trainer::new(network, objective.clone(), settings(1e-3)).unwrap().loss(samples).unwrap())
            };
            let (expected, found) = (slope(loss, 0.02) as f32, gradient[entry]);
            let allowed = 0.02 * scale + 2e-5;
            assert!(
                (found - expected).abs() < allowed,
                "{model}, tensor {tensor}, entry {entry}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn gradients_of_partial_supervision_are_those_of_finite_differences() {
    for model in ["tiny-a", "tiny-b"] {
        agree_with_differences(model, &PartialSupervision, &samples());
    }
}

#[test]
fn gradients_of_a_guard_are_those_of_finite_differences() {
    for model in ["tiny-a", "tiny-b"] {
        agree_with_differences(model, &objective(), &[labelled(true), labelled(false), pair()]);
    }
}

#[test]
fn gradients_of_a_pair_alone_do_not_move_the_bias() {
    let trainer = Trainer::new(network("tiny-a"), objective(), settings(1e-3)).unwrap();
    let gradients = gradients_of(&trainer, &trainer.gradients(&[pair()]).unwrap());
    let (bias, factors) = gradients.split_last().unwrap();
    assert!(bias.iter().all(|value| value.abs() < 1e-6), "it adds the same to both rewards");
    assert!(factors.iter().all(|factor| factor.iter().any(|value| value.abs() > 1e-5)));
}

#[test]
fn one_causal_pass_has_the_gradients_of_all_prefixes() {
    for model in ["tiny-a", "tiny-b"] {
        let trainer = trainer(model, 1e-3);
        let prefixes: Vec<Sample> = samples().iter().flat_map(Sample::prefixes).collect();
        let (whole, parts) = (trainer.gradients(&samples()).unwrap(), trainer.gradients(&prefixes).unwrap());
        assert!((whole.loss - parts.loss).abs() < 1e-4 * parts.loss);
        assert_eq!((whole.terms, whole.tokens, parts.terms, parts.tokens), (6, 6, 6, 13));
        for (found, expected) in gradients_of(&trainer, &whole).iter().zip(gradients_of(&trainer, &parts)) {
            assert!(apart(found, &expected) < 1e-4, "{model}: {}", apart(found, &expected));
        }
    }
}

/// The gradients of four samples, so many a pass.
fn micro_batches<O: Objective>(objective: O, samples: &[O::Sample], size: usize) -> (f32, Vec<Vec<f32>>) {
    let trainer = Trainer::new(network("tiny-b"), objective, settings(1e-3)).unwrap().with_micro_batches(size);
    let found = trainer.gradients(samples).unwrap();
    assert!((found.loss - trainer.loss(samples).unwrap()).abs() < 1e-5 * found.loss);
    (found.loss, gradients_of(&trainer, &found))
}

#[test]
fn accumulated_gradients_are_those_of_one_batch() {
    let four = [samples(), vec![Sample::after(&[3, 9, 4], &[70, 2], &[1.0, -6.0]).unwrap()], samples()[..1].to_vec()];
    let guard = [labelled(true), pair(), labelled(false), pair()];
    let (loss, whole) = micro_batches(PartialSupervision, &four.concat(), 4);
    let (guard_loss, guard_whole) = micro_batches(objective(), &guard, 4);
    for size in [1, 2, 3] {
        let (found, parts) = micro_batches(PartialSupervision, &four.concat(), size);
        assert!((found - loss).abs() < 1e-5 * loss, "{size}: {found} for {loss}");
        assert!(parts.iter().zip(&whole).all(|(part, whole)| apart(part, whole) < 1e-5), "{size} a pass");
        let (found, parts) = micro_batches(objective(), &guard, size);
        assert!((found - guard_loss).abs() < 1e-5 * guard_loss, "{size}: {found} for {guard_loss}");
        let near = parts.iter().zip(&guard_whole).map(|(part, whole)| apart(part, whole));
        assert!(
            near.clone().take(parts.len() - 1).all(|apart| apart < 1e-4),
            "{size} a pass: {:?}",
            near.collect::<Vec<_>>()
        );
    }
}
