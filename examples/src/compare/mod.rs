//! What the program `compare` adds to a comparison of saffron-search: arguments, models by name,
//! tables and pictures.

mod args;
mod cards;
mod config;
mod digits;
mod formats;
mod labels;
mod models;
mod plots;
mod report;
mod show;
mod table;

pub use args::CompareArgs;
pub use config::{folder, read, read_for};
pub use formats::list_formats;
pub use labels::LabelArgs;
pub use models::open;
pub use plots::plot;
pub use report::report;
pub use show::{log_merged, note_prompts, show};
pub use table::table;
