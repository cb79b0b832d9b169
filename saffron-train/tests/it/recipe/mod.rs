//! Recipes: what they refuse, read, ask and report.

mod adapter;
mod guard;
mod held_out;
mod label;
mod mrm;
mod replier;

use std::error::Error;
use std::path::{Path, PathBuf};

use saffron_core::with_causes;
use saffron_mrm::text::TextTokenizer;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn recipe<R: DeserializeOwned>(value: Value) -> R {
    serde_json::from_value(value).unwrap()
}

/// An error and its causes.
fn told(error: &(dyn Error + 'static)) -> String {
    with_causes(error)
}

fn tokenizer() -> TextTokenizer {
    TextTokenizer::from_dir(&crate::dir("tiny-b/guard"), 190).unwrap()
}

/// Writes a file of rows that has a torn one at its end.
fn torn(dir: &Path, name: &str, rows: &[String]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, format!("{}\nno JSON\n", rows.join("\n"))).unwrap();
    path
}
