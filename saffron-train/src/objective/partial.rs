//! Partial supervision (Saffron paper, §4.2, Eq. 5).

use std::num::NonZeroUsize;

use burn::tensor::{DType, Tensor};
use saffron_mrm::DecoderConfig;
use saffron_mrm::nn::Decoder;
use saffron_search::eval::stats::Regression;

use super::packed::{indices, numbers};
use super::{Batch, Objective, Sample};
use crate::error::TrainError;

/// Bins of a report's calibration.
const BINS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(19);

/// The squared error of the multifurcation reward at the token that really came next: `(M(s₀..ⱼ)[sⱼ] − R(s₀..ⱼ))²`, for all positions of
/// a sequence from one causal forward pass.
///
/// Only the observed token's entry of `M = W h + b` is computed: the loss does not touch the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartialSupervision;

impl Objective for PartialSupervision {
    type Sample = Sample;
    type Batch = Batch;
    type Report = Regression;

    fn batch(&self, samples: &[&Sample], model: &DecoderConfig) -> Result<Batch, TrainError> {
        Batch::new(samples, model)
    }

    fn outputs(&self, decoder: &Decoder, bias: &Tensor<1>, batch: &Batch) -> Tensor<1> {
        let device = decoder.device();
        let hidden = batch.inputs.forward_rows(decoder, &batch.rows);
        let targets = indices(&batch.targets, &device);
        let logits = decoder.unembed_each(hidden, targets.clone()).cast(DType::F32);
        logits + bias.clone().select(0, targets)
    }

    fn loss(&self, outputs: Tensor<1>, batch: &Batch) -> Tensor<1> {
        let rewards = numbers(&batch.rewards, &outputs.device());
        (outputs - rewards).square().sum()
    }

    fn terms(&self, batch: &Batch) -> usize {
        batch.rewards.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.inputs.real
    }

    fn report(&self, seen: &[(Batch, Vec<f32>)]) -> Result<Regression, TrainError> {
        let pairs = |(batch, outputs): &(Batch, Vec<f32>)| {
            outputs.iter().copied().zip(batch.rewards.iter().copied()).collect::<Vec<_>>()
        };
        Ok(Regression::of(&seen.iter().flat_map(pairs).collect::<Vec<_>>(), BINS)?)
    }

    /// The root of the mean squared error.
    fn score(&self, report: &Regression) -> f64 {
        report.root_mean_square_error
    }
}
