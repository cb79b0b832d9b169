//! Strategies compared over data sets, as a configuration file says.

mod beside;
mod cases;
pub mod config;
mod filter;
mod fingerprint;
mod log;
mod models;
mod plots;
mod published;
mod results;
mod table;

pub use beside::Beside;
pub use cases::{Prepared, prepare};
pub use config::Config;
pub use fingerprint::{data_files, fingerprint, fingerprints};
pub use log::{LoggedRun, Outcome, configuration};
pub use models::{check_old_run, open};
pub use plots::plot;
pub use published::{PublishedConfig, PublishedError, PublishedPoint};
pub use results::{Results, results};
pub use table::table;
