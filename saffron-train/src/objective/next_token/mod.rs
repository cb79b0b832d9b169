//! Language models: cross-entropy of the tokens that came next, in whole texts or in replies alone.

mod batch;
mod report;
mod text;

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Tensor};
use saffron_mrm::DecoderConfig;
use saffron_mrm::nn::Decoder;

use super::packed::indices;
use super::{Objective, Seen};
use crate::error::TrainError;

pub use batch::TextBatch;
pub use report::TextReport;
pub use text::Text;

/// The log-likelihood of each target of a text after all tokens before it, `−ln p(sⱼ | s₀..ⱼ₋₁)`, from one causal forward pass. Training
/// from scratch on whole texts, supervised fine-tuning on replies (Ouyang et al. 2022, §3.5), with an adapter or of the whole decoder.
///
/// A policy's unembedding has no bias: that of the network is left out, and left alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NextToken;

impl Objective for NextToken {
    type Sample = Text;
    type Batch = TextBatch;
    type Report = TextReport;

    fn batch(&self, samples: &[&Text], model: &DecoderConfig) -> Result<TextBatch, TrainError> {
        TextBatch::new(samples, model)
    }

    /// The targets' log-probabilities.
    fn outputs(&self, decoder: &Decoder, _bias: &Tensor<1>, batch: &TextBatch) -> Tensor<1> {
        let hidden = batch.inputs.forward_rows(decoder, &batch.rows);
        let logits = decoder.unembed(hidden).cast(DType::F32);
        let targets = indices(&batch.targets, &decoder.device()).unsqueeze_dim(0);
        log_softmax(logits, 0).gather(0, targets).squeeze_dim(0)
    }

    fn loss(&self, outputs: Tensor<1>, _batch: &TextBatch) -> Tensor<1> {
        outputs.sum().neg()
    }

    fn terms(&self, batch: &TextBatch) -> usize {
        batch.targets.len()
    }

    fn tokens(&self, batch: &TextBatch) -> usize {
        batch.inputs.real
    }

    fn report(&self, seen: &[Seen<TextBatch>]) -> Result<TextReport, TrainError> {
        TextReport::of(seen.iter().flat_map(|(_, outputs)| outputs.iter().copied()))
    }

    /// The mean negative log-likelihood.
    fn score(&self, report: &TextReport) -> f64 {
        report.nll
    }
}
