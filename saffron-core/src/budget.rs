//! Limits on what a search may cost.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Role, Usage};

/// Limits on attributed compute. A limit is looked at before each model call: a search stops as soon as one is reached, so
/// the counts of calls are never exceeded, and tokens and FLOPs at most by the last call.
///
/// Wall time is not among them: it would make answers depend on the machine. An observer may stop a search by the clock.
///
/// ```
/// use saffron_core::{Budget, Usage};
/// let budget = Budget { max_policy_calls: Some(0), ..Budget::default() };
/// assert!(budget.spent(&Usage::default()).is_some());
/// assert!(Budget::default().spent(&Usage::default()).is_none());
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
    /// The first limit that the usage has reached.
    #[must_use]
    pub fn spent(&self, usage: &Usage) -> Option<Limit> {
        let (policy, reward) = (usage.role(Role::Policy), usage.role(Role::Reward));
        let flops = policy.attributed.flops.saturating_add(reward.attributed.flops);
        [
            (self.max_policy_calls, policy.calls, Limit::PolicyCalls),
            (self.max_reward_calls, reward.calls, Limit::RewardCalls),
            (self.max_policy_tokens, policy.attributed.tokens, Limit::PolicyTokens),
            (self.max_reward_tokens, reward.attributed.tokens, Limit::RewardTokens),
            (self.max_flops, flops, Limit::Flops),
        ]
        .into_iter()
        .find(|(limit, used, _)| limit.is_some_and(|limit| *used >= limit))
        .map(|(_, _, which)| which)
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
