//! How a served multifurcation reward model is asked.

use super::route::RewardRoute;
use crate::remote::RemoteError;

/// Settings of a [`RemoteMrm`](super::RemoteMrm).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RewardSettings {
    /// The route to rewards; none tries what the server can do.
    pub route: Option<RewardRoute>,
    /// How far served rewards may lie from those of the exported model, and move between a context
    /// alone and in a batch. Half precision moves them by up to 0.2.
    pub tolerance: f32,
    /// Whether the model sees the prefill.
    pub sees_prefill: bool,
    /// Whether the head's bias is added.
    pub adds_bias: bool,
}

impl Default for RewardSettings {
    /// Any route, a tolerance of 0.001, the prefill hidden, the bias added.
    fn default() -> Self {
        Self { route: None, tolerance: 1e-3, sees_prefill: false, adds_bias: true }
    }
}

impl RewardSettings {
    pub(super) fn check(&self) -> Result<(), RemoteError> {
        match self.tolerance.is_finite() && self.tolerance >= 0.0 {
            true => Ok(()),
            false => {
                let reason = format!("a tolerance of rewards is a number from 0 on, found {}", self.tolerance);
                Err(RemoteError::Settings { reason })
            }
        }
    }
}
