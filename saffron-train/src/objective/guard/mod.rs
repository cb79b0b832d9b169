//! Guards: binary cross-entropy on labelled replies, Bradley–Terry on pairs of them, whole and cut short.

mod batch;
mod corpus;
mod example;
mod report;

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{DType, Tensor};
use saffron_mrm::nn::Decoder;
use saffron_mrm::{DecoderConfig, GuardTemplate};

use super::Objective;
use super::packed::{indices, numbers};
use crate::error::TrainError;

pub use batch::{GuardBatch, Term};
pub use corpus::GuardCorpus;
pub use example::{GuardExample, GuardReply};
pub use report::GuardReport;

/// A guard's reward is logit(safe) − logit(unsafe) after the question around prompt and reply. Labelled replies are learnt by binary
/// cross-entropy on it, pairs by the log-likelihood of the preference, `−ln σ(r(better) − r(worse))` (Bradley and Terry 1952).
///
/// Every reply stands for several terms: itself, and beginnings of it. A guard that has seen both serves as a process reward model. The
/// reply is forwarded once, and for each of its cuts only the end of the question behind it.
#[derive(Clone, Debug)]
pub struct GuardObjective {
    template: GuardTemplate,
}

impl GuardObjective {
    /// For a question and its two answers.
    #[must_use]
    pub fn new(template: GuardTemplate) -> Self {
        Self { template }
    }

    /// The question.
    #[must_use]
    pub fn template(&self) -> &GuardTemplate {
        &self.template
    }
}

impl Objective for GuardObjective {
    type Sample = GuardExample;
    type Batch = GuardBatch;
    type Report = GuardReport;

    fn batch(&self, samples: &[&GuardExample], model: &DecoderConfig) -> Result<GuardBatch, TrainError> {
        GuardBatch::new(samples, &self.template.layout, model)
    }

    fn outputs(&self, decoder: &Decoder, bias: &Tensor<1>, batch: &GuardBatch) -> Tensor<1> {
        let device = decoder.device();
        let answers = [self.template.safe, self.template.not_safe];
        let hidden = batch.inputs.forward_rows(decoder, &batch.rows);
        let logits = decoder.unembed_tokens(hidden, &answers).cast(DType::F32);
        let bias = bias.clone().select(0, indices(&answers, &device)).unsqueeze_dim(1);
        let logits = logits + bias;
        (logits.clone().slice_dim(0, 0..1) - logits.slice_dim(0, 1..2)).squeeze_dim(0)
    }

    fn loss(&self, outputs: Tensor<1>, batch: &GuardBatch) -> Tensor<1> {
        let device = outputs.device();
        let side = |output: fn(&Term) -> Option<u32>| {
            let (at, there): (Vec<u32>, Vec<f32>) =
                batch.terms.iter().map(|term| output(term).map_or((0, 0.0), |output| (output, 1.0))).unzip();
            outputs.clone().select(0, indices(&at, &device)) * numbers(&there, &device)
        };
        log_sigmoid(side(|term| term.better) - side(|term| term.worse)).neg().sum()
    }

    fn terms(&self, batch: &GuardBatch) -> usize {
        batch.terms.len()
    }

    fn tokens(&self, batch: &GuardBatch) -> usize {
        batch.inputs.real
    }

    fn report(&self, seen: &[(GuardBatch, Vec<f32>)]) -> Result<GuardReport, TrainError> {
        GuardReport::of(seen)
    }

    fn score(&self, report: &GuardReport) -> f64 {
        report.score()
    }
}
