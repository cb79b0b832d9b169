//! What answers cost in the mean.

use saffron_core::{Role, RoleUsage};
use serde::{Deserialize, Serialize};

use super::super::Answer;
use crate::eval::curve::profiler_style;
use crate::eval::stats::Mean;

/// What an answer cost in the mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compute {
    /// TFLOP of policy and reward model, as if each search had begun with an empty cache.
    pub attributed_tflop: Mean,
    /// TFLOP of policy and reward model that really ran.
    pub computed_tflop: Mean,
    /// Mean TFLOP as the reference implementation counts it; none where nobody said how many models it profiles.
    pub profiler_tflop: Option<f64>,
    /// The policy's share.
    pub policy: RoleMeans,
    /// The reward model's share.
    pub reward: RoleMeans,
    /// The judges' share.
    pub judge: RoleMeans,
}

/// What an answer took of one model in the mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleMeans {
    /// Batched calls.
    pub calls: Mean,
    /// Tokens through the layers, as if each search had begun with an empty cache.
    pub attributed_tokens: Mean,
    /// Tokens that really went through the layers.
    pub computed_tokens: Mean,
}

impl Compute {
    /// The means over answers; none without one. `models` is how many models the reference implementation profiles.
    pub(super) fn of(answers: &[&Answer], models: Option<u64>) -> Option<Self> {
        let tflop = |flops: &dyn Fn(&Answer) -> u64| mean(answers, |answer| flops(answer) as f64 / 1e12);
        let profiler = models.map(|models| tflop(&|answer| profiler_style(&answer.usage, models)));
        Some(Self {
            attributed_tflop: tflop(&|answer| answer.usage.attributed_flops())?,
            computed_tflop: tflop(&|answer| answer.usage.computed_flops())?,
            profiler_tflop: profiler.flatten().map(|mean| mean.mean),
            policy: RoleMeans::of(answers, Role::Policy)?,
            reward: RoleMeans::of(answers, Role::Reward)?,
            judge: RoleMeans::of(answers, Role::Judge)?,
        })
    }
}

impl RoleMeans {
    fn of(answers: &[&Answer], role: Role) -> Option<Self> {
        let means = |count: fn(&RoleUsage) -> u64| mean(answers, |answer| count(answer.usage.role(role)) as f64);
        Some(Self {
            calls: means(|usage| usage.calls)?,
            attributed_tokens: means(|usage| usage.attributed.tokens)?,
            computed_tokens: means(|usage| usage.computed.tokens)?,
        })
    }
}

fn mean(answers: &[&Answer], number: impl Fn(&Answer) -> f64) -> Option<Mean> {
    Mean::of(&answers.iter().map(|answer| number(answer)).collect::<Vec<_>>())
}
