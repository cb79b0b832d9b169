//! What a command line asks, and how far the answer may go.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use saffron_core::{Session, TextPolicy};

use crate::models::NamedPolicy;

/// Arguments: one prompt, attacked or not.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct PromptArgs {
    /// What the user asks.
    #[arg(long)]
    pub prompt: String,
    /// A text that the reply is forced to begin with.
    #[arg(long, default_value = "")]
    pub prefill: String,
    /// How many of its tokens; all by default.
    #[arg(long)]
    pub prefill_len: Option<usize>,
}

impl PromptArgs {
    /// The prompt as a session of the policy.
    ///
    /// # Errors
    ///
    /// An empty prompt, or text that the tokenizer cannot encode.
    pub fn session(&self, policy: &NamedPolicy) -> Result<Session> {
        let tokens = self.prefill_len.unwrap_or(usize::MAX);
        Ok(policy.attacked_session(&self.prompt, &self.prefill, tokens)?)
    }
}

/// Arguments: limits of a search, and where to write what it found.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct RunArgs {
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 32)]
    pub max_new_tokens: usize,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Write what was found as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

impl RunArgs {
    /// Writes a value as JSON where the command line says so, and nothing where it does not.
    ///
    /// # Errors
    ///
    /// A value that JSON cannot hold, or a file that cannot be written.
    pub fn write(&self, value: &serde_json::Value) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        save(path, &serde_json::to_vec_pretty(value)?)
    }
}

/// Writes a file; an error names it.
///
/// # Errors
///
/// A file that cannot be written.
pub fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
