//! Steps of an optimiser on a network.

use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::adapter::TrainableAdapter;
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::{Objective, PartialSupervision};
use crate::optim::{AdamWSettings, clip_norm, norm};

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Mean loss over all terms, before the step.
    pub loss: f32,
    /// Norm of the gradients, before clipping.
    pub norm: f32,
    /// Learning rate.
    pub rate: f64,
    /// Terms of the loss.
    pub terms: usize,
    /// Tokens forwarded, padding not counted.
    pub tokens: usize,
}

/// Gradients of the mean loss of some samples.
#[derive(Debug)]
pub struct Gradients {
    /// The loss.
    pub loss: f32,
    /// Its gradients.
    pub gradients: GradientsParams,
    /// Terms of the loss.
    pub terms: usize,
    /// Tokens forwarded, padding not counted.
    pub tokens: usize,
}

/// A network, what it is trained for, and the optimiser's state.
pub struct Trainer<O: Objective = PartialSupervision> {
    network: Network,
    objective: O,
    optimizer: ModuleOptimizer,
    settings: AdamWSettings,
    micro: usize,
    steps: u64,
}

impl<O: Objective> std::fmt::Debug for Trainer<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer").field("settings", &self.settings).field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl<O: Objective> Trainer<O> {
    /// A trainer at its first step.
    ///
    /// # Errors
    ///
    /// Settings with which nothing could be learnt.
    pub fn new(network: Network, objective: O, settings: AdamWSettings) -> Result<Self, TrainError> {
        settings.check()?;
        Ok(Self { network, objective, optimizer: settings.optimizer(), settings, micro: usize::MAX, steps: 0 })
    }

    /// The trainer with at most so many samples a forward pass: a step accumulates the gradients of several, and is the same but for the
    /// order of sums. Bounds the memory of a step.
    #[must_use]
    pub fn with_micro_batches(self, samples: usize) -> Self {
        Self { micro: samples.max(1), ..self }
    }

    /// One step on a batch.
    ///
    /// # Errors
    ///
    /// Samples that do not fit the model, a loss or gradients that are not finite. The parameters are then as they were.
    pub fn step(&mut self, samples: &[O::Sample]) -> Result<Step, TrainError> {
        let Gradients { loss, gradients, terms, tokens } = self.gradients(samples)?;
        let norm = norm(self.network.adapter(), &gradients);
        if !norm.is_finite() {
            return Err(TrainError::Diverged { step: self.steps, what: "norm of the gradients", value: norm });
        }
        let gradients = match self.settings.clip_norm {
            Some(limit) => clip_norm(self.network.adapter(), gradients, norm, limit),
            None => gradients,
        };
        let rate = self.settings.rate(self.steps);
        self.apply(gradients, rate);
        Ok(Step { loss, norm, rate, terms, tokens })
    }

    /// The loss of a batch and its gradients, without a step: for loops of one's own.
    ///
    /// # Errors
    ///
    /// Samples that do not fit the model, a loss that is not finite.
    pub fn gradients(&self, samples: &[O::Sample]) -> Result<Gradients, TrainError> {
        let batches = self.batches(samples)?;
        let terms: usize = batches.iter().map(|batch| self.objective.terms(batch)).sum();
        let tokens = batches.iter().map(|batch| self.objective.tokens(batch)).sum();
        let (decoder, bias) = (self.network.recording(), self.network.adapter().bias());
        let mut sum = GradientsAccumulator::<TrainableAdapter>::new();
        let mut total = 0.0;
        for batch in &batches {
            let outputs = self.objective.outputs(&decoder, &bias, batch);
            let loss = self.objective.loss(outputs, batch).div_scalar(terms as f64);
            total += self.finite(loss.clone())?;
            sum.accumulate(
                self.network.adapter(),
                GradientsParams::from_grads(loss.backward(), self.network.adapter()),
            );
        }
        Ok(Gradients { loss: total, gradients: sum.grads(), terms, tokens })
    }

    /// Moves the parameters along gradients, at a learning rate: for loops of one's own.
    pub fn apply(&mut self, gradients: GradientsParams, rate: f64) {
        let adapter = self.optimizer.step(rate, self.network.adapter().clone(), gradients);
        self.network.set_adapter(adapter);
        self.steps += 1;
    }

    /// The mean loss of a batch, without a step.
    ///
    /// # Errors
    ///
    /// Samples that do not fit the model.
    pub fn loss(&self, samples: &[O::Sample]) -> Result<f32, TrainError> {
        let (decoder, bias) = (self.network.plain(), self.network.adapter().bias().inner());
        let batches = self.batches(samples)?;
        let terms: usize = batches.iter().map(|batch| self.objective.terms(batch)).sum();
        let sums = batches.iter().map(|batch| {
            let outputs = self.objective.outputs(&decoder, &bias, batch);
            self.objective.loss(outputs, batch).into_scalar::<f32>()
        });
        Ok(sums.sum::<f32>() / terms as f32)
    }

    /// What the network is worth on held-out samples, `batch` of them a forward pass.
    ///
    /// # Errors
    ///
    /// Samples that do not fit the model, outputs that are no numbers.
    pub fn evaluate(&self, samples: &[O::Sample], batch: usize) -> Result<O::Report, TrainError> {
        self.objective.report(&self.network.outputs(&self.objective, samples, batch)?)
    }

    fn batches(&self, samples: &[O::Sample]) -> Result<Vec<O::Batch>, TrainError> {
        let size = self.micro.min(samples.len()).max(1);
        let lay_out = |(number, part): (usize, &[O::Sample])| {
            let batch = self.objective.batch(&part.iter().collect::<Vec<_>>(), self.network.model());
            batch.map_err(|error| error.placed(|place| number * size + place))
        };
        match samples.is_empty() {
            true => Err(TrainError::EmptyBatch),
            false => samples.chunks(size).enumerate().map(lay_out).collect(),
        }
    }

    fn finite(&self, loss: Tensor<1>) -> Result<f32, TrainError> {
        let value = loss.inner().into_scalar::<f32>();
        if value.is_finite() {
            return Ok(value);
        }
        Err(TrainError::Diverged { step: self.steps, what: "loss", value })
    }

    /// Number of steps taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What it is trained for.
    #[must_use]
    pub fn objective(&self) -> &O {
        &self.objective
    }

    /// The optimiser's settings.
    #[must_use]
    pub fn settings(&self) -> &AdamWSettings {
        &self.settings
    }

    /// The optimiser and its moments.
    pub(crate) fn optimizer(&self) -> &ModuleOptimizer {
        &self.optimizer
    }

    /// The trainer as it was after a step.
    pub(crate) fn restored(self, network: Network, optimizer: ModuleOptimizer, steps: u64) -> Self {
        Self { network, optimizer, steps, ..self }
    }
}

impl Trainer {
    /// A trainer by partial supervision that begins at the adapter and head of one directory, on the base model of another.
    ///
    /// # Errors
    ///
    /// A model, adapter or head that does not load, settings with which nothing could be learnt.
    pub fn from_dirs(
        base: &std::path::Path,
        adapter: &std::path::Path,
        settings: AdamWSettings,
        device: &burn::tensor::Device,
    ) -> Result<Self, TrainError> {
        Self::new(Network::from_dirs(base, adapter, device)?, PartialSupervision, settings)
    }
}
