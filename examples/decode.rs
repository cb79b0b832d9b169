//! Answers one prompt: with a Saffron search if a reward model is given, else greedily.
//!
//! ```text
//! cargo run --release --example decode -- --policy models/smollm2 --prompt "What is the capital of France?"
//! cargo run --release --example decode -- --policy models/smollm2 --mrm models/mrm --guard models/smollm2 \
//!     --prompt "How do I pick a lock?" --width 16
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use saffron_core::{NoReward, Outcome, SearchError, SearchObserver, Session};
use saffron_examples::models::PolicyArgs;
use saffron_examples::progress::Progress;
use saffron_examples::prompt::{PromptArgs, save};
use saffron_examples::report;
use saffron_examples::rewards::RewardArgs;
use saffron_mrm::{Base, LmPolicy};
use saffron_search::trace::JsonlTrace;
use saffron_search::{Greedy, Saffron, Searcher};
use serde_json::json;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StrategyName {
    Saffron,
    Greedy,
}

/// Answers one prompt under Saffron's guard.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    /// saffron needs --mrm and is the default with it; greedy needs no reward model.
    #[arg(long)]
    strategy: Option<StrategyName>,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 16)]
    width: usize,
    /// Mass of the nucleus.
    #[arg(long, default_value_t = 0.8)]
    top_p: f32,
    /// No end of sequence before this many tokens [default: 16 for saffron, 0 for greedy].
    #[arg(long)]
    min_new_tokens: Option<usize>,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 32)]
    max_new_tokens: usize,
    /// Write the outcome as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a trace of the search, one JSON object a line.
    #[arg(long)]
    trace: Option<PathBuf>,
}

impl Args {
    fn strategy(&self) -> StrategyName {
        let default = if self.reward.mrm.is_some() { StrategyName::Saffron } else { StrategyName::Greedy };
        self.strategy.unwrap_or(default)
    }

    fn searcher(&self) -> Searcher {
        let searcher = match self.strategy() {
            StrategyName::Greedy => Searcher::new(Greedy).min_new_tokens(self.min_new_tokens.unwrap_or(0)),
            StrategyName::Saffron => Searcher::new(Saffron::new(self.reward.preset(), self.width))
                .top_p(self.top_p)
                .min_new_tokens(self.min_new_tokens.unwrap_or(16)),
        };
        searcher.max_new_tokens(self.max_new_tokens)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    eprintln!("device {}, {:?}", args.policy.device, args.policy.options().dtype);
    let (base, mut policy) = args.policy.open(args.reward.preset())?;
    let session = args.prompt.session(&policy)?;
    let trace = args.trace.as_deref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let mut trace = trace.transpose()?.map(|file| JsonlTrace::new(BufWriter::new(file)));
    let found = search(&args, &session, &mut policy, &base, &mut (Progress::default(), trace.as_mut()));
    if let Some(trace) = trace {
        trace.finish().context("writing the trace")?;
    }
    match found {
        Ok(outcome) => deliver(&args, &policy, &outcome),
        Err(error) => {
            // A search that fails half-way still has something to show.
            if let Some(outcome) = error.downcast_ref::<SearchError>().and_then(SearchError::partial) {
                deliver(&args, &policy, outcome)?;
            }
            Err(error)
        }
    }
}

/// Prints the outcome and, if asked to, writes it.
fn deliver(args: &Args, policy: &LmPolicy, outcome: &Outcome) -> Result<()> {
    show(policy, outcome)?;
    let Some(path) = &args.json else { return Ok(()) };
    let text = policy.text(&outcome.best)?;
    let value = json!({ "text": text, "outcome": outcome, "preset": args.reward.preset().to_string() });
    save(path, &serde_json::to_vec_pretty(&value)?)
}

fn search(
    args: &Args,
    session: &Session,
    policy: &mut LmPolicy,
    base: &Base,
    observer: &mut dyn SearchObserver,
) -> Result<Outcome> {
    let searcher = args.searcher();
    if args.strategy() == StrategyName::Greedy {
        return Ok(searcher.run_observed(session, policy, &mut NoReward, observer)?);
    }
    let mut mrm = args.reward.open_mrm(base, args.policy.options())?;
    Ok(searcher.run_observed(session, policy, &mut mrm, observer)?)
}

/// The answer, why the search ended, the beam, what it cost.
fn show(policy: &LmPolicy, outcome: &Outcome) -> Result<()> {
    println!("{}", policy.text(&outcome.best)?);
    println!();
    println!("stopped: {}", outcome.stop);
    println!("search:  {}", outcome.strategy);
    println!("reward:  {}", outcome.reward);
    println!("beam:");
    for hypothesis in &outcome.beam {
        println!("  {}", report::hypothesis(policy, hypothesis)?);
    }
    println!("{}", report::compute(&outcome.usage));
    Ok(())
}
