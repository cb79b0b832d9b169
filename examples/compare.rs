//! Compares strategies over data sets: who defends best, at what cost.
//!
//! ```text
//! cargo run --example compare -- --config examples/configs/compare_tiny.toml --out runs/tiny
//! cargo run --example compare -- --config FILE.toml --out runs/a --shard 0/2     # one half of the prompts
//! cargo run --example compare -- --config FILE.toml --out runs/b --shard 1/2     # the other, perhaps elsewhere
//! cargo run --example compare -- --merge runs/a runs/b --out runs/all            # with --config, if a log is to have it
//! cargo run --example compare -- --config FILE.toml --report RECORDS.jsonl.gz --out runs/again     # from records alone
//! ```
//!
//! Records are written as prompts end; a run that was killed goes on when it is started again.
//! `OUT` gets `records.jsonl` (a line a strategy, budget and prompt), `summary.json` and pictures.
//! Where a strategy has no answer at all to a data set, the program ends with an error.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use saffron_examples::compare::{Config, LoggedRun, Results, check_answered, open, plot, prepare, results, table};
use saffron_examples::device::{device, first};
use saffron_examples::models::{TemplateDate, WaitArgs, files_of};
use saffron_examples::output::{self, line, say};
use saffron_examples::progress::bar;
use saffron_search::eval::files::{Journal, create_dir};
use saffron_search::eval::inputs;
use saffron_search::eval::models::check_old_run;
use saffron_search::eval::runs::{Manifest, Record, RunDir, Shard, check_shards, merge, read, write_summary};

/// Compares strategies over data sets.
#[derive(Parser)]
struct Args {
    /// What is compared over what.
    #[arg(long, required_unless_present_any = ["merge", "report"])]
    config: Option<PathBuf>,
    /// Directory of the run; of a report, where its summary and pictures go.
    #[arg(long)]
    out: PathBuf,
    /// Only a part of the prompts: 0/2 and 1/2 are the halves.
    #[arg(long, default_value_t = Shard::WHOLE, conflicts_with = "merge")]
    shard: Shard,
    /// Puts the shards of a run together. A configuration beside it must be theirs, and tells where
    /// its log is.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    merge: Vec<PathBuf>,
    /// Reports on a run again: a directory with its manifest and records, or, together with its configuration, a file of records. They may be
    /// zipped, and no model is needed.
    #[arg(long, value_name = "RUN", conflicts_with = "merge")]
    report: Option<PathBuf>,
    /// Tries prompts again that have failed.
    #[arg(long)]
    retry_failed: bool,
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
    match (&args.config, &args.report) {
        (config, Some(run)) => reported(&args, config.as_deref(), run),
        (config, None) if !args.merge.is_empty() => merged(&args, config.as_deref()),
        (Some(path), None) => compare(&args, path),
        (None, None) => bail!("a comparison needs a configuration"),
    }
}

/// Runs what is not done yet, and reports.
fn compare(args: &Args, path: &Path) -> Result<()> {
    let config = Config::read(path)?;
    let device = device(&args.device)?;
    say(format_args!("device {}", args.device));
    let mut models = open(&config, &device, TemplateDate::of_run(&args.out)?, args.wait.limit())?;
    let prepared = prepare(&config, models.policy())?;
    let folder = folder(path);
    let manifest = Manifest::new(inputs::settings(&config, folder)?, args.shard).fingerprint("device", &args.device);
    let known = models.fingerprints().iter().chain(&prepared.fingerprints);
    let known = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    let manifest = inputs::with_files(manifest, "", &config, folder, &known, &files_of)?;
    check_old_run(&args.out, &manifest)?;
    let mut run = RunDir::open(&args.out, manifest)?;
    if args.retry_failed {
        say(format_args!("{} failed prompts are tried again", run.forget_failures()?));
    }
    let before = run.len();
    let harness = prepared.harness();
    let bar = bar(harness.plan().keys(args.shard).count() as u64, run.len() as u64);
    harness.run(&mut run, &mut models, &mut |record| {
        bar.set_message(format!("{} at {}", record.key.strategy, record.key.budget));
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    let records = run.records()?;
    let results = report(&config, &records, run.path())?;
    if let Some(log) = &config.log {
        LoggedRun::now(path, run.path(), run.manifest(), &results.rows)?.append(log, run.len() > before)?;
    }
    match check_answered(&results, &records) {
        // Its part may be a few prompts: the whole run is judged when it is merged.
        Err(error) if args.shard != Shard::WHOLE => say(format_args!("note: {error:#}")),
        checked => checked?,
    }
    Ok(())
}

/// Reports on a run that is over.
fn reported(args: &Args, config: Option<&Path>, run: &Path) -> Result<()> {
    let (config, records) = match config {
        Some(config) => (Config::read(config)?, records(run)?),
        None => {
            let (manifest, records) = read(run)?;
            (settings(&manifest)?, records)
        }
    };
    let results = report(&config, &records, &args.out)?;
    check_answered(&results, &records)
}

/// The records of a directory or a file.
fn records(run: &Path) -> Result<Vec<Record>> {
    match (run.is_dir(), run.extension().is_some_and(|extension| extension == "gz")) {
        (true, _) => Ok(read(run)?.1),
        (false, true) => Ok(Journal::read_gzipped(run)?),
        (false, false) => Ok(Journal::read(run)?),
    }
}

/// Puts shards together, and reports.
fn merged(args: &Args, config: Option<&Path>) -> Result<()> {
    let given = config.map(|path| Ok::<_, anyhow::Error>((path, Config::read(path)?))).transpose()?;
    if let Some((path, config)) = &given {
        check_shards_config(args, config, path)?;
    }
    check_all_given(&args.merge)?;
    let merged = merge(&args.merge, &args.out)?;
    let (run, config) = (&merged.run, settings(merged.run.manifest())?);
    let records = run.records()?;
    let results = report(&config, &records, run.path())?;
    let (path, log) = match &given {
        Some((path, config)) => (*path, &config.log),
        None => (Path::new("merged"), &config.log),
    };
    match log {
        Some(log) if given.is_some() || log.is_absolute() => {
            LoggedRun::now(path, run.path(), run.manifest(), &results.rows)?.append(log, false)?;
        }
        Some(log) => {
            let log = log.display();
            say(format_args!(
                "note: {log}, the log, starts from the configuration's folder: name it (--config) to log the run"
            ));
        }
        None => {}
    }
    check_answered(&results, &records)
}

/// Refuses shards without the others of their run, before anything is written.
fn check_all_given(shards: &[PathBuf]) -> Result<()> {
    let manifests = shards.iter().map(|shard| {
        let path = shard.join("manifest.json");
        Manifest::read(&path)?.with_context(|| format!("{}: no such file", path.display()))
    });
    let manifests = manifests.collect::<Result<Vec<_>>>()?;
    let given: Vec<(&Path, &Manifest)> = shards.iter().map(PathBuf::as_path).zip(&manifests).collect();
    let (_, missing) = check_shards(&given)?;
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    ensure!(missing.is_empty(), "shards are missing: {}", missing.join(", "));
    Ok(())
}

/// Refuses a configuration that is not that of the shards.
fn check_shards_config(args: &Args, config: &Config, path: &Path) -> Result<()> {
    let settings = Manifest::new(inputs::settings(config, folder(path))?, Shard::WHOLE);
    let settings = inputs::with_places(settings, "", config)?;
    for shard in &args.merge {
        if let Some(in_shard) = Manifest::read(&shard.join("manifest.json"))? {
            ensure!(settings.same_settings(&in_shard), "{} is not of a run by {}", shard.display(), path.display());
        }
    }
    Ok(())
}

/// The folder that a configuration's paths start from.
fn folder(config: &Path) -> &Path {
    config.parent().unwrap_or(Path::new(""))
}

/// What a run was told to do.
fn settings(manifest: &Manifest) -> Result<Config> {
    serde_json::from_value(manifest.settings.clone()).context("the run was not written by this program")
}

/// Writes the summary and the pictures, and prints the table.
fn report(config: &Config, records: &[Record], out: &Path) -> Result<Results> {
    let results = results(config, records);
    create_dir(out)?;
    write_summary(out, &results)?;
    let pictures = plot(&results, out)?;
    line(table(&results))?;
    let failures: u64 = results.rows.iter().map(|row| row.failures).sum();
    if failures > 0 {
        line(format_args!("{failures} prompts failed; their records say why, and --retry-failed tries them again"))?;
    }
    let paths = ["records.jsonl", "summary.json"].map(|name| out.join(name));
    let mut written = paths.iter().filter(|path| path.exists()).chain(&pictures);
    written.try_for_each(|path| line(path.display()))?;
    Ok(results)
}
