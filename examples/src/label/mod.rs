//! Token-level rewards of a corpus, as a configuration file says.

pub mod config;
mod corpus;
mod log;
mod models;
mod sampled;

pub use config::Config;
pub use log::{Log, LogLine};
pub use models::Labelling;
