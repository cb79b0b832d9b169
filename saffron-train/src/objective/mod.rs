//! What is trained for: how samples become rows of a forward pass, and outputs a loss.

pub mod guard;
pub mod next_token;
mod packed;
mod partial;
mod sample;

use burn::tensor::Tensor;
use saffron_mrm::DecoderConfig;
use saffron_mrm::nn::Decoder;
use serde::Serialize;

pub use packed::Packed;
use packed::check;
pub use partial::PartialSupervision;
pub use sample::{Batch, Sample, unseen_tokens};

use crate::error::TrainError;

/// A batch, and the outputs on it.
pub type Seen<Batch> = (Batch, Vec<f32>);

/// A training objective over a decoder and its head's bias. [`PartialSupervision`], [`guard::GuardObjective`] and
/// [`next_token::NextToken`] are those of this crate; another one makes a [`Trainer`](crate::Trainer) and a [run](crate::run) of its own.
pub trait Objective {
    /// What is learnt from.
    type Sample: Clone;
    /// Samples laid out for one forward pass.
    type Batch;
    /// What a validation says.
    type Report: Serialize;

    /// Lays samples out.
    ///
    /// # Errors
    ///
    /// No samples, or samples that do not fit the model.
    fn batch(&self, samples: &[&Self::Sample], model: &DecoderConfig) -> Result<Self::Batch, TrainError>;

    /// The model's outputs, in float32.
    ///
    /// # Shapes
    ///
    /// - bias: `[vocab]`
    /// - output: `[outputs]`
    fn outputs(&self, decoder: &Decoder, bias: &Tensor<1>, batch: &Self::Batch) -> Tensor<1>;

    /// The sum of the losses of all terms.
    ///
    /// # Shapes
    ///
    /// - outputs: `[outputs]`
    /// - output: `[1]`
    fn loss(&self, outputs: Tensor<1>, batch: &Self::Batch) -> Tensor<1>;

    /// Number of terms that the loss sums. A step's loss is the mean over all terms of all its passes.
    fn terms(&self, batch: &Self::Batch) -> usize;

    /// Rows of the forward pass that are no padding.
    fn tokens(&self, batch: &Self::Batch) -> usize;

    /// What outputs on held-out batches are worth.
    ///
    /// # Errors
    ///
    /// Nothing to report on, outputs that are no numbers.
    fn report(&self, seen: &[Seen<Self::Batch>]) -> Result<Self::Report, TrainError>;

    /// The one number of a report that is to fall: checkpoints are the best by it.
    fn score(&self, report: &Self::Report) -> f64;
}
