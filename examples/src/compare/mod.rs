//! What the program `compare` adds to a comparison of saffron-search: arguments, models by name,
//! tables and pictures.

mod args;
mod cards;
mod config;
mod digits;
mod formats;
mod models;
mod plots;
mod show;
mod table;

pub use args::CompareArgs;
pub use config::{folder, read};
pub use formats::list_formats;
pub use models::open;
pub use plots::plot;
pub use show::{log_merged, note_prompts, show};
pub use table::table;
