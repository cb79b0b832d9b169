//! Compares strategies over data sets: who defends best, at what cost.
//!
//! ```text
//! cargo run --release --example compare -- --config examples/configs/compare_tiny.toml --out runs/tiny
//! cargo run --release --example compare -- --config FILE.toml --out runs/a --shard 0/2     # one half of the prompts
//! cargo run --release --example compare -- --config FILE.toml --out runs/b --shard 1/2     # the other, perhaps elsewhere
//! cargo run --release --example compare -- --merge runs/a runs/b --out runs/all
//! ```
//!
//! Records are written as prompts end; a run that was killed goes on when it is started again. `OUT` gets `records.jsonl` (a line a strategy,
//! budget and prompt), `summary.json` and pictures.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Parser;
use saffron_examples::compare::{Config, Loaded, plot, prepare, results, table};
use saffron_examples::device::{device, first};
use saffron_examples::progress::bar;
use saffron_search::eval::runs::{Manifest, RunDir, Shard, merge};

/// Compares strategies over data sets.
#[derive(Parser)]
struct Args {
    /// What is compared over what.
    #[arg(long, required_unless_present = "merge", conflicts_with = "merge")]
    config: Option<PathBuf>,
    /// Directory of the run.
    #[arg(long)]
    out: PathBuf,
    /// Only a part of the prompts: 0/2 and 1/2 are the halves.
    #[arg(long, default_value_t = Shard::WHOLE, conflicts_with = "merge")]
    shard: Shard,
    /// Puts the shards of a run together.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    merge: Vec<PathBuf>,
    /// Tries prompts again that have failed.
    #[arg(long)]
    retry_failed: bool,
    /// Device to run on.
    #[arg(long, default_value = first())]
    device: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    match &args.config {
        Some(path) => compare(&args, path),
        None => merged(&args),
    }
}

/// Runs what is not done yet, and reports.
fn compare(args: &Args, path: &Path) -> Result<()> {
    let config = Config::read(path)?;
    let device = device(&args.device)?;
    eprintln!("device {}", args.device);
    let mut models = Loaded::open(&config, &device)?;
    let prepared = prepare(&config, models.policy())?;
    let mut manifest = Manifest::new(serde_json::to_value(&config)?, args.shard).fingerprint("device", &args.device);
    for (path, sum) in models.fingerprints().iter().chain(&prepared.fingerprints) {
        manifest = manifest.fingerprint(path, sum);
    }
    let mut run = RunDir::open(&args.out, manifest)?;
    if args.retry_failed {
        eprintln!("{} failed prompts are tried again", run.forget_failures()?);
    }
    let harness = prepared.harness();
    let bar = bar(harness.plan().keys(args.shard).count() as u64, run.len() as u64);
    harness.run(&mut run, &mut models, &mut |record| {
        bar.set_message(format!("{} at {}", record.key.strategy, record.key.budget));
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    report(&config, &run)
}

/// Puts shards together, and reports.
fn merged(args: &Args) -> Result<()> {
    let merged = merge(&args.merge, &args.out)?;
    if !merged.missing.is_empty() {
        let missing: Vec<String> = merged.missing.iter().map(ToString::to_string).collect();
        bail!("shards are missing: {}", missing.join(", "));
    }
    let config: Config = serde_json::from_value(merged.run.manifest().settings.clone())
        .context("the shards were not written by this program")?;
    report(&config, &merged.run)
}

/// Writes the summary and the pictures, and prints the table.
fn report(config: &Config, run: &RunDir) -> Result<()> {
    let results = results(config, &run.records()?)?;
    run.write_summary(&results)?;
    let pictures = plot(&results, run.path())?;
    println!("{}", table(&results));
    let failures: u64 = results.rows.iter().map(|row| row.failures).sum();
    if failures > 0 {
        println!("{failures} prompts failed; their records say why, and --retry-failed tries them again");
    }
    println!("{}", run.path().join("records.jsonl").display());
    println!("{}", run.path().join("summary.json").display());
    pictures.iter().for_each(|path| println!("{}", path.display()));
    Ok(())
}
