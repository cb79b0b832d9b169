//! What the training programs bring to their [recipes](saffron_train::recipe): arguments, a
//! progress bar or dashboard, what they print.

mod args;
#[cfg(feature = "dashboard")]
mod dashboard;
pub mod show;
mod watch;

pub use args::TrainArgs;
#[cfg(feature = "dashboard")]
pub use dashboard::Dashboard;
pub use watch::{Watch, train};
