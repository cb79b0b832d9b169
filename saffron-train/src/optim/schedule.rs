//! The learning rate's course, a function of the step's number alone: nothing to save, nothing to restore.

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// A linear rise over the first steps, then a decay.
///
/// ```
/// use saffron_train::{Decay, Schedule};
/// let schedule = Schedule { warmup: 2, decay: Decay::Linear { steps: 6, floor: 0.0 } };
/// let course: Vec<f64> = (0..7).map(|step| schedule.factor(step)).collect();
/// assert_eq!(course, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Steps until the full rate is reached; the first step has 1/warmup of it.
    pub warmup: u64,
    /// What comes then.
    pub decay: Decay,
}

/// The course after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decay {
    /// The full rate for ever, as the reference was trained.
    #[default]
    Constant,
    /// In a straight line to `floor` times the rate at step `steps`, warm-up included, and so on from there.
    Linear {
        /// The step at which the floor is reached.
        steps: u64,
        /// Share of the rate that is left there.
        #[serde(default)]
        floor: f64,
    },
    /// Along half a cosine to `floor` times the rate at step `steps`.
    Cosine {
        /// The step at which the floor is reached.
        steps: u64,
        /// Share of the rate that is left there.
        #[serde(default)]
        floor: f64,
    },
}

impl Schedule {
    /// The share of the full rate at a step, counted from 0.
    #[must_use]
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup {
            return (step + 1) as f64 / self.warmup as f64;
        }
        let part = |steps: u64| {
            let all = steps.saturating_sub(self.warmup).max(1);
            ((step - self.warmup) as f64 / all as f64).min(1.0)
        };
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear { steps, floor } => 1.0 - (1.0 - floor) * part(steps),
            Decay::Cosine { steps, floor } => {
                floor + (1.0 - floor) * (1.0 + (std::f64::consts::PI * part(steps)).cos()) / 2.0
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), TrainError> {
        match self.decay {
            Decay::Linear { steps, .. } | Decay::Cosine { steps, .. } if steps <= self.warmup => {
                Err(TrainError::setting("schedule.decay.steps", "more than warmup", steps))
            }
            Decay::Linear { floor, .. } | Decay::Cosine { floor, .. } if !(0.0..=1.0).contains(&floor) => {
                Err(TrainError::setting("schedule.decay.floor", "0 to 1", floor))
            }
            _ => Ok(()),
        }
    }
}
