//! Which search is drawn, and how.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{ArgGroup, Args};

use crate::models::PolicyArgs;
use crate::prompt::{PromptArgs, save};
use crate::rewards::RewardArgs;

/// Arguments: a trace or a prompt, the search, the files.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
#[command(group = ArgGroup::new("output").args(["html", "dot"]).required(true).multiple(true))]
pub struct SearchTreeArgs {
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The reward model.
    #[command(flatten)]
    pub reward: RewardArgs,
    /// A trace to draw, as decode and observe_trace write it, in place of a live search.
    #[arg(long, conflicts_with_all = ["prompt", "mrm", "guard"])]
    pub trace: Option<PathBuf>,
    /// What the user asks.
    #[arg(long, required_unless_present = "trace")]
    pub prompt: Option<String>,
    /// A text that the reply is forced to begin with.
    #[arg(long, default_value = "")]
    pub prefill: String,
    /// How many of its tokens; all by default.
    #[arg(long)]
    pub prefill_len: Option<usize>,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 4)]
    pub width: usize,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 32)]
    pub max_new_tokens: usize,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Best candidates of a node that are shown.
    #[arg(long, default_value_t = 8)]
    pub candidates: usize,
    /// Write the page.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// Write the graph in the DOT language.
    #[arg(long)]
    pub dot: Option<PathBuf>,
}

impl SearchTreeArgs {
    /// The prompt of a live search.
    ///
    /// # Errors
    ///
    /// No --prompt.
    pub fn prompt(&self) -> Result<PromptArgs> {
        let prompt = self.prompt.clone().context("a search needs --prompt")?;
        Ok(PromptArgs { prompt, prefill: self.prefill.clone(), prefill_len: self.prefill_len })
    }

    /// Writes the files that were asked for.
    ///
    /// # Errors
    ///
    /// Files that cannot be written.
    pub fn write(&self, html: impl FnOnce() -> String, dot: impl FnOnce() -> String) -> Result<()> {
        self.html.as_ref().map_or(Ok(()), |path| save(path, html().as_bytes()))?;
        self.dot.as_ref().map_or(Ok(()), |path| save(path, dot().as_bytes()))
    }
}
