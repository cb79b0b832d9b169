//! What a command line asks, and how far the answer may go.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use saffron_core::{ChildScorer, Session, TextPolicy};
use saffron_search::Searcher;
use serde::de::DeserializeOwned;

use crate::models::{NamedPolicy, Opener, PolicyArgs};
use crate::rewards::RewardArgs;

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
    /// A searcher within the limits, with the seed.
    #[must_use]
    pub fn limit(&self, searcher: Searcher) -> Searcher {
        searcher.max_new_tokens(self.max_new_tokens).seed(self.seed)
    }

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

/// Arguments: all that searches of one prompt need.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct SearchedArgs {
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// The reward model.
    #[command(flatten)]
    pub reward: RewardArgs,
    /// The prompt.
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// Limits of the search.
    #[command(flatten)]
    pub run: RunArgs,
}

impl SearchedArgs {
    /// The policy and the prompt's session, with what opens the reward model.
    ///
    /// # Errors
    ///
    /// As [`PolicyArgs::open`] and [`PromptArgs::session`].
    pub fn open(&self) -> Result<(Opener, NamedPolicy, Session)> {
        let (opener, policy) = self.policy.open(&self.reward)?;
        let session = self.prompt.session(&policy)?;
        Ok((opener, policy, session))
    }

    /// The policy, whatever rewards, and the prompt's session.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`RewardArgs::open`].
    pub fn open_rewarded(&self) -> Result<(NamedPolicy, Box<dyn ChildScorer>, Session)> {
        let (mut opener, policy, session) = self.open()?;
        let scorer = self.reward.open(&mut opener)?;
        Ok((policy, scorer, session))
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

/// Reads a file of JSON; an error names it.
///
/// # Errors
///
/// A file that cannot be read, or holds something else.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}
