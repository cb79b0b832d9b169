//! Test doubles and conformance checks, public so that users and our own tests share them (feature `testing`).
//!
//! Nothing here approximates a real model: a [`TablePolicy`] has the distributions it is given, a [`ScriptedReward`] the rewards.

pub mod conformance;
mod counting;
mod mutator;
mod script;
mod table_policy;

pub use counting::Counting;
pub use mutator::Mutator;
pub use script::ScriptedReward;
pub use table_policy::TablePolicy;
