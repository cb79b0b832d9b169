//! How long a run is, and when it looks up.

use std::path::PathBuf;

use saffron_search::eval::runs::{Counts, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::checkpoint::State;
use crate::error::TrainError;
use crate::objective::Objective;
use crate::trainer::Trainer;

/// Settings of a run. The defaults are the paper's where it says something (appendix A.1): batches of 4, one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSettings {
    /// Times that the whole corpus is gone through. May be raised when a run is taken up again.
    pub epochs: u64,
    /// The most steps, whatever the epochs; 0 for no bound.
    pub max_steps: u64,
    /// Samples a step.
    pub batch: usize,
    /// Samples a forward pass; a step of more accumulates.
    pub micro_batch: usize,
    /// Batches among which samples are put together by length; 1 leaves them as they fall.
    pub window: usize,
    /// Seed of the order.
    pub seed: u64,
    /// Steps between validations; 0 for one at the end of every epoch. The last step is always validated, and a validated step saved.
    pub validate_every: u64,
    /// Steps between checkpoints; 0 for none but those of validations and the last.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept, beside the best.
    pub keep: usize,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            epochs: 1,
            max_steps: 0,
            batch: 4,
            micro_batch: 4,
            window: 16,
            seed: 0,
            validate_every: 0,
            checkpoint_every: 100,
            keep: 2,
        }
    }
}

impl RunSettings {
    /// The settings that no step depends on. A run may be taken up again with others: made longer
    /// by more epochs, say. A manifest that says so names their places, see
    /// [`Counts::Nothing`](saffron_search::eval::runs::Counts::Nothing).
    pub const MAY_CHANGE: [&str; 5] = ["epochs", "max_steps", "validate_every", "checkpoint_every", "keep"];

    /// The manifest of a run whose settings stand at a place of its own, such as `run`: those that
    /// [may change](Self::MAY_CHANGE) do not count.
    #[must_use]
    pub fn may_change(manifest: Manifest, place: &str) -> Manifest {
        let mark = |manifest: Manifest, name: &&str| manifest.counting(format!("{place}.{name}"), Counts::Nothing);
        Self::MAY_CHANGE.iter().fold(manifest, mark)
    }

    /// Steps over a corpus of `samples`.
    #[must_use]
    pub fn steps(&self, samples: usize) -> u64 {
        let all = self.epochs.saturating_mul(self.epoch(samples));
        if self.max_steps == 0 { all } else { all.min(self.max_steps) }
    }

    /// The settings that what a step does depends on: a run may be made longer, but not another one.
    pub(super) fn of_a_step<O: Objective>(&self, trainer: &Trainer<O>) -> Result<Value, TrainError> {
        let Self { batch, micro_batch, window, seed, .. } = *self;
        let optimizer = serde_json::to_value(trainer.settings());
        let optimizer = optimizer.map_err(|source| TrainError::Json { what: "the optimizer's settings", source })?;
        Ok(
            json!({ "batch": batch, "micro_batch": micro_batch, "window": window, "seed": seed, "optimizer": optimizer }),
        )
    }

    /// Refuses to go on after a checkpoint that was written with other settings.
    pub(super) fn check_same<O: Objective>(
        &self,
        trainer: &Trainer<O>,
        state: &State,
        path: PathBuf,
    ) -> Result<(), TrainError> {
        let here = self.of_a_step(trainer)?;
        if here == state.settings {
            return Ok(());
        }
        Err(TrainError::Checkpoint { path, reason: format!("was written with {}, not with {here}", state.settings) })
    }

    /// Samples a forward pass of a validation.
    pub(super) fn pass(&self) -> usize {
        self.batch.min(self.micro_batch)
    }

    /// Whether step number `steps`, counted from 1, is validated.
    pub(super) fn validates(&self, steps: u64, epoch: u64, total: u64) -> bool {
        let every = if self.validate_every == 0 { epoch } else { self.validate_every };
        steps == total || steps.is_multiple_of(every)
    }

    /// Whether step number `steps` is saved in any case.
    pub(super) fn saves(&self, steps: u64, total: u64) -> bool {
        steps == total || (self.checkpoint_every > 0 && steps.is_multiple_of(self.checkpoint_every))
    }

    /// Steps of an epoch over a corpus of `samples`.
    #[must_use]
    pub fn epoch(&self, samples: usize) -> u64 {
        samples.div_ceil(self.batch.max(1)).max(1) as u64
    }

    pub(super) fn check(&self) -> Result<(), TrainError> {
        let sizes = [("epochs", self.epochs as usize), ("batch", self.batch), ("micro_batch", self.micro_batch)];
        let sizes = sizes.into_iter().chain([("window", self.window), ("keep", self.keep)]);
        match sizes.into_iter().find(|(_, size)| *size == 0) {
            Some((name, _)) => Err(TrainError::setting(name, "at least 1", 0)),
            None => Ok(()),
        }
    }
}
