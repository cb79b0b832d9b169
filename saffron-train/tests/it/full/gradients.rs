//! Gradients of every matrix against finite differences of the loss.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use saffron_train::objective::next_token::NextToken;
use saffron_train::{Gradients, Network, Objective, PartialSupervision, Sample, Trainer};

use super::{decoder, texts};
use crate::gradients::{entries, slope, with_entry};
use crate::{apart, numbers, settings};

/// The gradients of a module's matrices, in order; empty where there is none.
struct Collect<'a> {
    from: &'a GradientsParams,
    found: Vec<Vec<f32>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 2 {
            self.found.push(self.from.get::<D>(param.id).map(|tensor| numbers(&tensor)).unwrap_or_default());
        }
    }
}

fn gradients_of<O: Objective>(trainer: &Trainer<O>, gradients: &Gradients) -> Vec<Vec<f32>> {
    let mut collect = Collect { from: &gradients.gradients, found: Vec::new() };
    trainer.network().adapter().visit(&mut collect);
    collect.found
}

/// The network with one number of one matrix moved.
fn moved(tied: bool, matrix: usize, entry: usize, by: f32) -> Network {
    let mut place = 0..;
    let change = |tensor: Tensor<2>| match place.next() {
        Some(here) if here == matrix => with_entry(&tensor, entry, by),
        _ => tensor,
    };
    Network::full(&decoder(tied).map_matrices(change))
}

fn agree_with_differences<O: Objective + Clone>(tied: bool, objective: &O, samples: &[O::Sample]) {
    let trainer = |network| Trainer::new(network, objective.clone(), settings(1e-3)).unwrap();
    let whole = trainer(Network::full(&decoder(tied)));
    let found = gradients_of(&whole, &whole.gradients(samples).unwrap());
    assert_eq!(found.len(), 1 + 2 * 4 + usize::from(!tied), "embedding, four matrices a block, unembedding");
    for (matrix, gradient) in found.iter().enumerate() {
        let scale = gradient.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
        assert!(scale > 1e-3, "matrix {matrix}: the gradient is no noise: {scale}");
        for entry in entries(gradient) {
            let loss = |by: f32| f64::from(trainer(moved(tied, matrix, entry, by)).loss(samples).unwrap());
            let (expected, found) = (slope(loss, 0.01) as f32, gradient[entry]);
            let allowed = 0.01 * scale + 1e-4;
            assert!((found - expected).abs() < allowed, "matrix {matrix}, entry {entry}: {found} for {expected}");
        }
    }
}

#[test]
fn gradients_of_next_tokens_are_those_of_finite_differences() {
    for tied in [true, false] {
        agree_with_differences(tied, &NextToken, &texts());
    }
}

#[test]
fn gradients_of_partial_supervision_reach_all_matrices() {
    let sample = Sample::after(&[0, 9], &[13, 7, 29], &[1.0, -2.0, 3.0]).unwrap();
    agree_with_differences(true, &PartialSupervision, &[sample]);
}

#[test]
fn accumulated_gradients_of_all_matrices_are_those_of_one_batch() {
    let whole = super::trainer(true);
    let expected = whole.gradients(&texts()).unwrap();
    for size in [1, 2] {
        let parts = super::trainer(true).with_micro_batches(size);
        let found = parts.gradients(&texts()).unwrap();
        assert!((found.loss - expected.loss).abs() < 1e-5 * expected.loss);
        for (found, expected) in gradients_of(&parts, &found).iter().zip(gradients_of(&whole, &expected)) {
            assert!(apart(found, &expected) < 1e-5, "{size} a pass");
        }
    }
}
