//! What the program `compare` adds to a comparison of saffron-search: arguments, models by name,
//! tables and pictures.

mod args;
mod cards;
mod config;
mod digits;
mod models;
mod plots;
mod show;
mod table;

pub use args::CompareArgs;
pub use config::{folder, read, read_for};
pub use models::open;
pub use plots::plot;
pub use show::{log_merged, show};
pub use table::table;
