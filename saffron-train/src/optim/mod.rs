//! How parameters are moved: AdamW, the learning rate's course, the clipping of gradients.

mod clip;
mod schedule;

use burn::optim::{AdamWConfig, ModuleOptimizer};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

pub use clip::{clip_norm, norm};
pub use schedule::{Decay, Schedule};

/// Settings of AdamW. The defaults are those found in the released optimiser state (betas, ε, no weight decay, 1e-4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWSettings {
    /// Learning rate, at its highest.
    pub learning_rate: f64,
    /// Decay rates of the first and second moment.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// The greatest norm of all gradients together; larger ones are scaled down to it. None: as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f32>,
    /// The learning rate's course.
    pub schedule: Schedule,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            clip_norm: None,
            schedule: Schedule::default(),
        }
    }
}

impl AdamWSettings {
    /// Refuses numbers with which nothing could be learnt.
    ///
    /// # Errors
    ///
    /// A number out of its range, by name.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let share = |value: f64| (0.0..1.0).contains(&value);
        let [first, second] = self.betas.map(f64::from);
        let (decay, clip) = (f64::from(self.weight_decay), self.clip_norm.map_or(1.0, f64::from));
        let numbers = [
            ("learning_rate", self.learning_rate, positive(self.learning_rate), "a finite number above 0"),
            ("betas[0]", first, share(first), "at least 0 and below 1"),
            ("betas[1]", second, share(second), "at least 0 and below 1"),
            ("eps", f64::from(self.eps), positive(f64::from(self.eps)), "a finite number above 0"),
            ("weight_decay", decay, decay >= 0.0 && decay.is_finite(), "a finite number, at least 0"),
            ("clip_norm", clip, positive(clip), "a finite number above 0"),
        ];
        match numbers.into_iter().find(|(_, _, right, _)| !right) {
            Some((name, value, _, expected)) => Err(TrainError::setting(name, expected, value)),
            None => self.schedule.check(),
        }
    }

    pub(crate) fn optimizer(&self) -> ModuleOptimizer {
        AdamWConfig::new()
            .with_beta_1(self.betas[0])
            .with_beta_2(self.betas[1])
            .with_epsilon(self.eps)
            .with_weight_decay(self.weight_decay)
            .init()
    }

    /// The learning rate of a step, counted from 0.
    #[must_use]
    pub fn rate(&self, step: u64) -> f64 {
        self.learning_rate * self.schedule.factor(step)
    }
}
