//! What the training recipes share: configurations, examples from data files, what they say while they go on.

mod args;
pub mod config;
#[cfg(feature = "dashboard")]
mod dashboard;
mod guard;
mod held_out;
mod mrm;
mod watch;

pub use args::TrainArgs;
pub use config::{GuardRecipe, MrmRecipe};
#[cfg(feature = "dashboard")]
pub use dashboard::Dashboard;
pub use guard::{GuardData, network};
pub use held_out::{HeldOut, HeldOutReport};
pub use mrm::MrmData;
pub use watch::Watch;
