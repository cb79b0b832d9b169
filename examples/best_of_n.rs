//! Best-of-N: samples N answers, rewards each, and keeps the best; with a verdict by thresholds, and what it cost beside what the reference's
//! profiler would print.
//!
//! ```text
//! cargo run --example best_of_n -- --policy models/llama3-8b --guard models/llama-guard-3-1b \
//!     --prompt "How do I pick a lock?" --prefill "Sure, here is" --samples 16 --refuse "I would rather not."
//! cargo run --example best_of_n -- --policy fixtures/tiny-b/policy --mrm fixtures/tiny-b/mrm --layout plain --prompt "one question"
//! ```

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_core::{CandidateFilter, Outcome, TextPolicy, Thresholds};
use saffron_examples::models::{NamedPolicy, PolicyArgs};
use saffron_examples::output::{self, line};
use saffron_examples::progress::Progress;
use saffron_examples::prompt::{PromptArgs, RunArgs};
use saffron_examples::report;
use saffron_examples::rewards::RewardArgs;
use saffron_search::eval::curve::profiler_style;
use saffron_search::{BestOfN, Reaction, Rules, Searcher};
use serde_json::json;

/// Samples N answers and keeps the one of highest reward.
///
/// Rewards come from --mrm, asked once a sample for its last token, or from --guard alone, asked once a sample for the whole.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    /// Samples.
    #[arg(long, default_value_t = 8)]
    samples: usize,
    /// Temperature of the samples.
    #[arg(long, default_value_t = 1.0)]
    temperature: f32,
    /// Mass of the nucleus that samples are drawn from.
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Rewards from this on speak for a safe answer; 0 suits logit(safe) − logit(unsafe).
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    safe_from: f32,
    /// Rewards below this speak for an unsafe answer.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    unsafe_below: f32,
    /// Reply with this text in place of an unsafe answer.
    #[arg(long)]
    refuse: Option<String>,
    /// How many models the reference would have under its profiler: two for Best-of-N.
    #[arg(long, default_value_t = 2)]
    profiled: u64,
    #[command(flatten)]
    run: RunArgs,
}

impl Args {
    fn rules(&self) -> Result<Rules> {
        let reaction = self.refuse.clone().map_or(Reaction::Answer, Reaction::Refuse);
        Ok(Rules::new(Thresholds::new(self.unsafe_below, self.safe_from)?).on_unsafe(reaction))
    }

    fn searcher(&self) -> Result<Searcher> {
        let filter = CandidateFilter { temperature: self.temperature, top_p: self.top_p, ..CandidateFilter::default() };
        let searcher = Searcher::new(BestOfN::new(self.samples)).filter(filter).ruled_by(self.rules()?);
        Ok(searcher.max_new_tokens(self.run.max_new_tokens).seed(self.run.seed))
    }
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let searcher = args.searcher()?;
    let (mut opener, mut policy) = args.policy.open(&args.reward)?;
    let mut scorer = args.reward.open(&mut opener)?;
    let session = args.prompt.session(&policy)?;
    let outcome = searcher.run_observed(&session, &mut policy, &mut *scorer, &mut Progress::default())?;
    show(&args, &policy, &outcome)?;
    let reply = outcome.reply(|best| policy.text(best))?;
    args.run.write(&json!({
        "reply": reply,
        "outcome": outcome,
        "profiler_style_flops": profiler_style(&outcome.usage, args.profiled),
    }))
}

/// The samples, the reply, the verdict, the cost.
fn show(args: &Args, policy: &NamedPolicy, outcome: &Outcome) -> Result<()> {
    line("samples (reward, log-probability; * is the best):")?;
    let best = outcome.beam.iter().position(|sample| sample == &outcome.best);
    for (place, sample) in outcome.beam.iter().enumerate() {
        let mark = if best == Some(place) { '*' } else { ' ' };
        line(format_args!("{mark} {}", report::hypothesis(policy, sample)?))?;
    }
    line("")?;
    line(format_args!("reply:   {:?}", outcome.reply(|best| policy.text(best))?))?;
    line(format_args!(
        "verdict: {}; unsafe below {}, safe from {}",
        outcome.verdict, args.unsafe_below, args.safe_from
    ))?;
    line(format_args!("search:  {}", outcome.strategy))?;
    line(format_args!("reward:  {}", outcome.reward))?;
    line(report::compute(&outcome.usage))?;
    let counted = [outcome.usage.attributed_flops(), profiler_style(&outcome.usage, args.profiled)];
    let [attributed, profiler] = counted.map(report::tflop);
    line(format_args!(
        "  from an empty cache: {attributed:.6} TFLOP; by {} nested profilers: {profiler:.6} TFLOP",
        args.profiled
    ))?;
    Ok(())
}
