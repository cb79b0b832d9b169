//! What holds for the workspace as a whole: its structure, whole searches against recorded ones, programs as users run them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod architecture;
mod backends;
mod cases;
mod chat;
mod compare;
mod compare_measures;
mod compare_settings;
mod contexts;
mod convert;
mod custom_reward;
mod custom_strategy;
mod demo;
mod dependencies;
mod downstream;
mod early;
mod empty;
mod export_mrm;
mod format_docs;
mod guards;
mod guides;
mod in_a_server;
mod label;
mod label_sheets;
mod margin;
mod memory;
mod moved;
mod naming;
mod packages;
mod paper;
mod paper_run;
mod pinned;
mod pipes;
mod programs;
mod programs_search;
mod prompts;
mod quickstart;
mod reference;
mod released;
mod replay;
mod replay_case;
mod rewards;
mod rivals;
mod rooms;
mod scheduler;
mod serve;
mod smollm2;
mod synthetic;
mod terminal;
mod tokens;
mod train;

use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fixtures() -> PathBuf {
    root().join("fixtures")
}
