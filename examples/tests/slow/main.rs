//! What takes minutes in a release build and the longer without, and needs a server or much patience: ignored unless it is asked for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod gemma3;
#[path = "../it/margin.rs"]
mod margin;
mod serve_load;
mod served;
mod served_compare;
mod served_mrm;
mod soak;

use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
