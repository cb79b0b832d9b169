//! Strategies compared over data sets, as a configuration file says.

mod beside;
mod cases;
mod check;
pub mod config;
mod digits;
mod log;
mod models;
mod notes;
mod plots;
mod published;
mod results;
mod table;
mod unanswered;

pub use beside::Beside;
pub use cases::{Prepared, items, prepare};
pub use config::Config;
pub use log::{LoggedRun, Outcome, configuration};
pub use models::open;
pub use notes::JudgeNote;
pub use plots::plot;
pub use published::{PublishedConfig, PublishedError, PublishedPoint};
pub use results::{Results, results};
pub use table::table;
pub use unanswered::check_answered;
