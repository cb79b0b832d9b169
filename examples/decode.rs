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
use saffron_core::{Outcome, TextPolicy};
use saffron_examples::models::PolicyArgs;
use saffron_examples::output::{self, line, partial, say};
use saffron_examples::progress::Progress;
use saffron_examples::prompt::{PromptArgs, save};
use saffron_examples::rewards::RewardArgs;
use saffron_examples::search::SearchArgs;
use saffron_search::trace::{JsonlTrace, report};
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
    trace.map_or(Ok(()), |trace| trace.finish().map(drop)).context("writing the trace")?;
    let show = |outcome: &Outcome| -> Result<()> {
        line(report::outcome(outcome, |sequence| policy.text(sequence))?)?;
        let Some(path) = &args.json else { return Ok(()) };
        let (text, preset) = (policy.text(&outcome.best)?, args.reward.preset()?.to_string());
        let value = json!({ "text": text, "outcome": outcome, "preset": preset, "models": opener.sources() });
        save(path, &serde_json::to_vec_pretty(&value)?)
    };
    // A search that fails half-way still has something to show.
    let best_so_far = found.as_ref().map_or_else(partial, Some);
    best_so_far.map_or(Ok(()), show)?;
    found.map(drop)
}
