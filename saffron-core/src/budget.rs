//! Limits on what a search may cost.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::meter::{Role, Usage};

/// Limits on attributed compute. Before each model call the limits of that model, and the one on FLOPs, are looked at: a search stops
/// as soon as one is reached. Counts of calls are therefore never exceeded, and tokens and FLOPs at most by the last call.
///
/// Wall time is not among them: it would make answers depend on the machine. An observer may stop a search by the clock.
///
/// ```
/// use saffron_core::{Budget, Role, Usage};
/// let budget = Budget { max_policy_calls: Some(0), ..Budget::default() };
/// assert!(budget.spent(Role::Policy, &Usage::default()).is_some());
/// assert!(budget.spent(Role::Reward, &Usage::default()).is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Batched calls of the policy.
    pub max_policy_calls: Option<u64>,
    /// Batched calls of the reward model.
    pub max_reward_calls: Option<u64>,
    /// Token positions that went through the policy.
    pub max_policy_tokens: Option<u64>,
    /// Token positions that went through the reward model.
    pub max_reward_tokens: Option<u64>,
    /// FLOPs of policy and reward model together.
    pub max_flops: Option<u64>,
}

/// Which limit of a [`Budget`] was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Limit {
    /// [`Budget::max_policy_calls`]
    PolicyCalls,
    /// [`Budget::max_reward_calls`]
    RewardCalls,
    /// [`Budget::max_policy_tokens`]
    PolicyTokens,
    /// [`Budget::max_reward_tokens`]
    RewardTokens,
    /// [`Budget::max_flops`]
    Flops,
}

impl Budget {
    /// The first limit in the way of another call of a model.
    #[must_use]
    pub fn spent(&self, role: Role, usage: &Usage) -> Option<Limit> {
        let used = usage.role(role);
        let own = match role {
            Role::Policy => [
                (self.max_policy_calls, used.calls, Limit::PolicyCalls),
                (self.max_policy_tokens, used.attributed.tokens, Limit::PolicyTokens),
            ],
            Role::Reward => [
                (self.max_reward_calls, used.calls, Limit::RewardCalls),
                (self.max_reward_tokens, used.attributed.tokens, Limit::RewardTokens),
            ],
            Role::Judge => return None,
        };
        let flops = (self.max_flops, usage.attributed_flops(), Limit::Flops);
        let reached = |(limit, used, _): &(Option<u64>, u64, Limit)| limit.is_some_and(|limit| *used >= limit);
        own.into_iter().chain([flops]).find(reached).map(|(_, _, which)| which)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PolicyCalls => "policy calls",
            Self::RewardCalls => "reward calls",
            Self::PolicyTokens => "policy tokens",
            Self::RewardTokens => "reward tokens",
            Self::Flops => "FLOPs",
        })
    }
}
