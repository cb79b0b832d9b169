//! Labels a corpus: the reward of every prefix of every reply, by a guard, computed once and stored (Saffron paper, §4.2).
//!
//! ```text
//! cargo run --example label -- --config examples/configs/label_tiny.toml --out runs/labels
//! cargo run --example label -- --config FILE.toml --out runs/a --shard 0/2       # one half of the replies
//! cargo run --example label -- --config FILE.toml --out runs/b --shard 1/2       # the other, perhaps elsewhere
//! cargo run --example label -- --merge runs/a runs/b --out runs/all
//! ```
//!
//! Labels are written group by group; a run that was killed goes on when it is started again. `OUT` gets `labels.jsonl`, `labels.parquet`,
//! `manifest.json` and `summary.json`, which `saffron_train::labels` describes, and `log.jsonl`: a line a group with how long it took.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use saffron_examples::device::{device, first};
use saffron_examples::label::{Config, Labelling, Log};
use saffron_examples::models::{TemplateDate, WaitArgs};
use saffron_examples::output::{self, line, say};
use saffron_search::eval::models::check_old_run;
use saffron_search::eval::runs::Shard;
use saffron_train::labels::{LabelRun, LabelSummary, merge, parquet};

/// Labels a corpus with the reward of every prefix of every reply.
#[derive(Parser)]
struct Args {
    /// What is labelled by whom.
    #[arg(long, required_unless_present = "merge", conflicts_with = "merge")]
    config: Option<PathBuf>,
    /// Directory of the run.
    #[arg(long)]
    out: PathBuf,
    /// Only a part of the replies: 0/2 and 1/2 are the halves.
    #[arg(long, default_value_t = Shard::WHOLE, conflicts_with = "merge")]
    shard: Shard,
    /// Puts the shards of a run together.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    merge: Vec<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = first())]
    device: String,
    #[command(flatten)]
    wait: WaitArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let summary = match &args.config {
        Some(path) => label(&args, path)?,
        None => merge(&args.merge, &args.out)?,
    };
    report(&summary, &args.out)
}

/// Labels what is not done yet.
fn label(args: &Args, path: &Path) -> Result<LabelSummary> {
    let config = Config::read(path)?;
    let device = device(&args.device)?;
    say(format_args!("device {}", args.device));
    let mut labelling = Labelling::open(&config, &device, TemplateDate::of_run(&args.out)?, args.wait.limit())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let manifest = labelling.manifest(&config, folder, args.shard, &args.device)?;
    check_old_run(&args.out, &manifest)?;
    let mut run = LabelRun::open(&args.out, manifest)?;
    let (bar, mut log) = (progress(&run), Log::open(&args.out)?);
    let mut logged = Ok(());
    let summary = run.run(&mut labelling, &mut |group| {
        bar.inc(group.records.len() as u64);
        if logged.is_ok() {
            logged = log.ended(&group);
        }
    })?;
    bar.finish_and_clear();
    logged.map(|()| summary)
}

/// Writes the parquet file, and says what has come of the run.
fn report(summary: &LabelSummary, out: &Path) -> Result<()> {
    let path = out.join("labels.parquet");
    parquet::write(out, &path)?;
    let LabelSummary { items, labelled, skipped_empty, skipped_no_room, cut_replies, tokens, cut_tokens, .. } = summary;
    line(format_args!(
        "{labelled} of {items} replies labelled, {skipped_empty} were empty, {skipped_no_room} found no room behind their prompts"
    ))?;
    line(format_args!(
        "{tokens} rewards; {cut_tokens} tokens of {cut_replies} replies and of those without room were cut off"
    ))?;
    let rewards = summary.rewards.ok_or_else(|| anyhow!("no reply has a token that could be labelled"))?;
    let below = 100.0 * rewards.below_zero;
    line(format_args!(
        "rewards from {:.3} to {:.3}, {:.3} in the mean, {below:.1} % below 0",
        rewards.min, rewards.max, rewards.mean
    ))?;
    for name in ["labels.jsonl", "labels.parquet", "summary.json"] {
        line(out.join(name).display())?;
    }
    Ok(())
}

fn progress(run: &LabelRun) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} replies  {elapsed}, {eta} to go");
    let bar = ProgressBar::new(run.items() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(run.done() as u64);
    bar
}
