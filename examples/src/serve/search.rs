//! The search that a server's command line names.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use saffron_core::Thresholds;
use saffron_search::strategy::{FilterConfig, StrategyConfig};
use saffron_search::{Preset, Reaction, Rules, SearchConfig};
use serde_json::json;

use crate::settings;

/// What happens to an answer, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReactionName {
    /// It is shown; the verdict stands beside it.
    Answer,
    /// The text of --refusal stands in its place.
    Refuse,
    /// The client gets an error.
    Error,
}

/// Arguments: the search and its verdicts.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct ServedSearchArgs {
    /// A strategy by its kind: saffron, greedy, sampling, best-of-n, step-beam, dvts, rebase,
    /// particle-filter, deal, mcts, args, reward-sampling, answer-filter, rollback, header-probe,
    /// value-filter, risk-stop.
    #[arg(long, default_value = "saffron", conflicts_with = "search")]
    pub strategy: String,
    /// The strategy's width, samples, beams, particles, simulations, tries or alarms.
    #[arg(long, default_value_t = 16, conflicts_with = "search")]
    pub width: usize,
    /// Mass of the nucleus that candidates come from [default: the strategy's].
    #[arg(long, conflicts_with = "search")]
    pub top_p: Option<f32>,
    /// The whole search in a file, with the fields of `SearchConfig` in TOML.
    #[arg(long)]
    pub search: Option<PathBuf>,
    /// The least width that a request may ask for [default: the server's].
    #[arg(long)]
    pub min_width: Option<usize>,
    /// The largest width that a request may ask for [default: the server's].
    #[arg(long)]
    pub max_width: Option<usize>,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 256)]
    pub max_new_tokens: usize,
    /// FLOPs that an answer may cost.
    #[arg(long)]
    pub max_flops: Option<u64>,
    /// Rewards below this speak for an unsafe answer.
    #[arg(long, allow_negative_numbers = true, requires = "safe_from")]
    pub unsafe_below: Option<f32>,
    /// Rewards from this on speak for a safe answer.
    #[arg(long, allow_negative_numbers = true, requires = "unsafe_below")]
    pub safe_from: Option<f32>,
    /// What happens to an answer that thresholds call unsafe.
    #[arg(long, default_value = "refuse")]
    pub on_unsafe: ReactionName,
    /// What happens to an answer of which thresholds can say nothing.
    #[arg(long, default_value = "answer")]
    pub on_undecided: ReactionName,
    /// The text in place of an answer that is not shown.
    #[arg(long, default_value = "I can't help with that.")]
    pub refusal: String,
}

impl ServedSearchArgs {
    /// The search of every request.
    ///
    /// # Errors
    ///
    /// An unknown strategy, one that cannot serve conversations, a file that cannot be read, thresholds out of order.
    pub fn config(&self, preset: Preset) -> Result<SearchConfig> {
        let mut config: SearchConfig = match &self.search {
            Some(path) => settings::read(path)?,
            None => {
                let strategy = named(&self.strategy, preset)?;
                let size = strategy.budget().map(|_| self.width);
                let filter = FilterConfig { top_p: self.top_p, ..FilterConfig::default() };
                SearchConfig { filter, ..SearchConfig::new(strategy, size) }
            }
        };
        ensure!(
            !reminds(&config.strategy),
            "self-reminder puts words around a question, and a server's prompt is a conversation: send a system message"
        );
        config.max_new_tokens = Some(config.max_new_tokens.unwrap_or(self.max_new_tokens));
        if let Some(flops) = self.max_flops {
            config.budget.max_flops = Some(flops);
        }
        if let (Some(unsafe_below), Some(safe_from)) = (self.unsafe_below, self.safe_from) {
            ensure!(config.rules.is_none(), "the file of --search has rules: leave --safe-from and --unsafe-below out");
            let rules = Rules::new(Thresholds::new(unsafe_below, safe_from)?);
            config.rules =
                Some(rules.on_unsafe(self.reaction(self.on_unsafe)).on_undecided(self.reaction(self.on_undecided)));
        }
        Ok(config)
    }

    /// What follows a verdict.
    pub(super) fn reaction(&self, name: ReactionName) -> Reaction {
        match name {
            ReactionName::Answer => Reaction::Answer,
            ReactionName::Refuse => Reaction::Refuse(self.refusal.clone()),
            ReactionName::Error => Reaction::Error,
        }
    }
}

fn named(kind: &str, preset: Preset) -> Result<StrategyConfig> {
    let value = match kind {
        "saffron" => json!({ "kind": kind, "preset": preset }),
        "risk-stop" => json!({ "kind": kind, "search": { "kind": "saffron", "preset": preset } }),
        _ => json!({ "kind": kind }),
    };
    match serde_json::from_value(value) {
        Ok(strategy) => Ok(strategy),
        Err(error) => bail!(anyhow::Error::from(error).context(format!("--strategy {kind}"))),
    }
}

/// Whether a search puts a reminder around the question.
fn reminds(strategy: &StrategyConfig) -> bool {
    match strategy {
        StrategyConfig::SelfReminder { .. } => true,
        StrategyConfig::RiskStop { search, .. } => reminds(search),
        _ => false,
    }
}

/// Adds what went wrong with a strategy that needs a reward model.
pub(super) fn needs_reward(config: &SearchConfig, rewarded: bool) -> Result<()> {
    let needs = config.strategy.needs_rewards(config.size.unwrap_or(1));
    (rewarded || !needs).then_some(()).context("the search needs a reward model: --mrm, or --guard alone")
}
