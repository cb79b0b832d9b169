//! Compute accounting, role by role. Adds up what models report; computes nothing itself.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::work::{Forwarded, Work};

/// Which model a call went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The language model that is defended.
    Policy,
    /// The reward model that guides the search.
    Reward,
    /// The model that judges finished answers; no part of a search's own cost.
    Judge,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Reward => "reward",
            Self::Judge => "judge",
        })
    }
}

/// What one role has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleUsage {
    /// Batched calls.
    pub calls: u64,
    /// Sessions in those calls.
    pub sessions: u64,
    /// Tokens of all contexts asked for.
    pub asked: u64,
    /// Tokens served from a cache.
    pub cached: u64,
    /// Tokens of which nobody knows whether they were served from a cache or computed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unknown: u64,
    /// Sessions whose candidates are [truncated](crate::Coverage::Truncated): the model knew no more of them, or guessed at the rest.
    #[serde(default, skip_serializing_if = "is_none")]
    pub truncated: u64,
    /// What really ran.
    pub computed: Forwarded,
    /// What would have run from an empty cache.
    pub attributed: Forwarded,
    /// Time spent in the calls. Not part of any comparison of runs.
    #[serde(skip)]
    pub wall: Duration,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// What a search has cost, role by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The policy's share.
    pub policy: RoleUsage,
    /// The reward model's share.
    pub reward: RoleUsage,
    /// The judge's share.
    pub judge: RoleUsage,
}

impl Usage {
    /// The share of one role.
    #[must_use]
    pub fn role(&self, role: Role) -> &RoleUsage {
        match role {
            Role::Policy => &self.policy,
            Role::Reward => &self.reward,
            Role::Judge => &self.judge,
        }
    }

    /// Attributed FLOPs of policy and reward model.
    #[must_use]
    pub fn attributed_flops(&self) -> u64 {
        self.policy.attributed.flops.saturating_add(self.reward.attributed.flops)
    }

    /// Computed FLOPs of policy and reward model.
    #[must_use]
    pub fn computed_flops(&self) -> u64 {
        self.policy.computed.flops.saturating_add(self.reward.computed.flops)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} policy + {} reward tokens, {:.4} TFLOP",
            self.policy.attributed.tokens,
            self.reward.attributed.tokens,
            self.attributed_flops() as f64 / 1e12
        )
    }
}

/// Adds up the work of calls.
///
/// ```
/// use saffron_core::{ComputeMeter, Role, Work};
/// let mut meter = ComputeMeter::default();
/// meter.record(Role::Policy, &[Work { asked: 5, ..Work::default() }; 2], std::time::Duration::ZERO);
/// assert_eq!((meter.usage().policy.calls, meter.usage().policy.asked), (1, 10));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ComputeMeter {
    usage: Usage,
}

impl ComputeMeter {
    /// Enters one batched call: one piece of work a session.
    pub fn record(&mut self, role: Role, work: &[Work], wall: Duration) {
        let share = match role {
            Role::Policy => &mut self.usage.policy,
            Role::Reward => &mut self.usage.reward,
            Role::Judge => &mut self.usage.judge,
        };
        let total: Work = work.iter().copied().sum();
        share.calls += 1;
        share.sessions += work.len() as u64;
        share.asked += total.asked;
        share.cached += total.cached;
        share.unknown += total.unknown;
        share.computed += total.computed;
        share.attributed += total.attributed;
        share.wall += wall;
    }

    /// Enters sessions whose candidates were [truncated](crate::Coverage::Truncated).
    pub(crate) fn record_truncated(&mut self, sessions: u64) {
        self.usage.policy.truncated += sessions;
    }

    /// The sums so far.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.usage
    }
}
