//! Answers one prompt: with a Saffron search if a reward model is given, else greedily.
//!
//! ```text
//! cargo run --example decode -- --policy models/smollm2 --prompt "What is the capital of France?"
//! cargo run --example decode -- --policy HuggingFaceTB/SmolLM2-135M-Instruct --prompt "What is the capital of France?"
//! cargo run --example decode -- --policy llamacpp:http://127.0.0.1:8080 --prompt "What is the capital of France?"
//! cargo run --example decode -- --policy models/smollm2 --mrm models/mrm --guard models/smollm2 \
//!     --prompt "How do I pick a lock?" --width 16
//! ```

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use saffron_core::{Outcome, SearchError, TextPolicy};
use saffron_examples::models::{NamedPolicy, Opener, PolicyArgs};
use saffron_examples::output::{self, line, say};
use saffron_examples::progress::Progress;
use saffron_examples::prompt::{PromptArgs, save};
use saffron_examples::report;
use saffron_examples::rewards::RewardArgs;
use saffron_examples::search::SearchArgs;
use saffron_search::trace::JsonlTrace;
use serde_json::json;

/// Answers one prompt under Saffron's guard.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    search: SearchArgs,
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

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    say(format_args!("device {}, {:?}", args.policy.device, args.policy.dtype));
    let (mut opener, mut policy) = args.policy.open(&args.reward)?;
    opener.warn_of_marks(&args.prompt.prompt);
    let session = args.prompt.session(&policy)?;
    let trace = args.trace.as_deref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let mut trace = trace.transpose()?.map(|file| JsonlTrace::new(BufWriter::new(file)));
    let mut search = args.search.open(&args.reward, &mut opener, args.max_new_tokens)?;
    let found = search.run(&session, &mut policy, &mut (Progress::default(), trace.as_mut()));
    if let Some(trace) = trace {
        trace.finish().context("writing the trace")?;
    }
    match found {
        Ok(outcome) => deliver(&args, &opener, &policy, &outcome),
        Err(error) => {
            // A search that fails half-way still has something to show.
            if let Some(outcome) = error.downcast_ref::<SearchError>().and_then(SearchError::partial) {
                deliver(&args, &opener, &policy, outcome)?;
            }
            Err(error)
        }
    }
}

/// Prints the outcome and, if asked to, writes it.
fn deliver(args: &Args, opener: &Opener, policy: &NamedPolicy, outcome: &Outcome) -> Result<()> {
    show(policy, outcome)?;
    let Some(path) = &args.json else { return Ok(()) };
    let text = policy.text(&outcome.best)?;
    let (preset, sources) = (args.reward.preset()?.to_string(), opener.sources());
    let value = json!({ "text": text, "outcome": outcome, "preset": preset, "models": sources });
    save(path, &serde_json::to_vec_pretty(&value)?)
}

/// The answer, why the search ended, the beam, what it cost.
fn show(policy: &NamedPolicy, outcome: &Outcome) -> Result<()> {
    line(policy.text(&outcome.best)?)?;
    line("")?;
    line(format_args!("stopped: {}", outcome.stop))?;
    line(format_args!("search:  {}", outcome.strategy))?;
    line(format_args!("reward:  {}", outcome.reward))?;
    line("beam:")?;
    for hypothesis in &outcome.beam {
        line(format_args!("  {}", report::hypothesis(policy, hypothesis)?))?;
    }
    line(report::compute(&outcome.usage))?;
    Ok(())
}
