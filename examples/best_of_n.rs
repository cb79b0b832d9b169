//! Best-of-N: samples N answers, rewards each, and keeps the best; with a verdict by thresholds,
//! and what it cost beside what the reference's profiler would print.
//!
//! ```text
//! cargo run --example best_of_n -- --policy models/llama3-8b --guard models/llama-guard-3-1b \
//!     --prompt "How do I pick a lock?" --prefill "Sure, here is" --samples 16 --refuse "I would rather not."
//! cargo run --example best_of_n -- --policy fixtures/tiny-b/policy --mrm fixtures/tiny-b/mrm --layout plain --prompt "one question"
//! ```

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_core::{Outcome, TextPolicy};
use saffron_examples::args::BestOfNArgs;
use saffron_examples::models::NamedPolicy;
use saffron_examples::output::{self, line};
use saffron_examples::progress::Progress;
use saffron_examples::prompt::SearchedArgs;
use saffron_search::eval::curve::profiler_style;
use saffron_search::trace::report;
use saffron_search::{BestOfN, Searcher};
use serde_json::json;

/// Samples N answers and keeps the one of highest reward.
///
/// Rewards come from --mrm, asked once a sample for its last token, or from --guard alone, asked once a sample for the whole.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    searched: SearchedArgs,
    #[command(flatten)]
    samples: BestOfNArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Args { searched, samples } = Args::parse();
    let searcher = Searcher::new(BestOfN::new(samples.samples)).filter(samples.filter()).ruled_by(samples.rules()?);
    let searcher = searched.run.limit(searcher);
    let (mut policy, mut scorer, session) = searched.open_rewarded()?;
    let outcome = searcher.run_observed(&session, &mut policy, &mut *scorer, &mut Progress::default())?;
    let profiler_style = profiler_style(&outcome.usage, samples.profiled);
    let reply = outcome.reply(|best| policy.text(best))?;
    show_samples(&policy, &outcome)?;
    line(format_args!("\nreply:   {reply:?}"))?;
    let BestOfNArgs { unsafe_below, safe_from, profiled, .. } = samples;
    line(format_args!("verdict: {}; unsafe below {unsafe_below}, safe from {safe_from}", outcome.verdict))?;
    line(format_args!("search:  {}\nreward:  {}", outcome.strategy, outcome.reward))?;
    line(report::compute(&outcome.usage))?;
    let [attributed, profiler] = [outcome.usage.attributed_flops(), profiler_style].map(|flops| flops as f64 / 1e12);
    line(format_args!(
        "  from an empty cache: {attributed:.6} TFLOP; by {profiled} nested profilers: {profiler:.6} TFLOP"
    ))?;
    searched.run.write(&json!({ "reply": reply, "outcome": outcome, "profiler_style_flops": profiler_style }))
}

/// All samples are the beam of Best-of-N.
fn show_samples(policy: &NamedPolicy, outcome: &Outcome) -> Result<()> {
    line("samples (reward, log-probability; * is the best):")?;
    let best = outcome.beam.iter().position(|sample| sample == &outcome.best);
    for (place, sample) in outcome.beam.iter().enumerate() {
        let mark = if best == Some(place) { '*' } else { ' ' };
        line(format_args!("{mark} {}", report::hypothesis(sample, &policy.text(sample)?)))?;
    }
    Ok(())
}
