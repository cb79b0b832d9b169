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

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use saffron_examples::compare::{CompareArgs, folder, log_merged, open, read, read_for, show};
use saffron_examples::device::device;
use saffron_examples::models::{TemplateDate, files_of, note};
use saffron_examples::output::{self, say};
use saffron_examples::progress::bar;
use saffron_search::eval::comparison::{Comparison, Report, merge_shards, open_run};
use saffron_search::eval::runs::Shard;

fn main() -> ExitCode {
    output::run(|| {
        let args = CompareArgs::parse();
        match (&args.config, &args.report) {
            (Some(config), Some(run)) => finish(&Report::of_records(read(config)?, run)?, &args.out),
            (None, Some(run)) => finish(&Report::of_run(run)?, &args.out),
            (config, None) if !args.merge.is_empty() => merge(&args, config.as_deref()),
            (Some(config), None) => compare(&args, config),
            (None, None) => bail!("a comparison needs a configuration"),
        }
    })
}

fn compare(args: &CompareArgs, path: &Path) -> Result<()> {
    let (mut config, device) = (read_for(path, Some(&args.out))?, device(&args.device)?);
    say(format_args!("device {}", args.device));
    let mut models = open(&mut config, &device, TemplateDate::of_run(&args.out)?, args.wait.limit(), args.memory)?;
    let mut comparison = Comparison::prepare(&config, folder(path), &mut models)?;
    comparison.prepared().marks().iter().for_each(|marks| note(&marks.to_string()));
    let manifest = comparison.manifest(args.shard, &files_of)?.fingerprint("device", &args.device);
    let mut run = open_run(&args.out, manifest)?;
    if args.retry_failed {
        say(format_args!("{} failed prompts are tried again", run.forget_failures()?));
    }
    let before = run.len();
    let bar = bar(comparison.size(args.shard) as u64, before as u64);
    let report = comparison.run(&mut run, &mut |record| {
        bar.set_message(format!("{} at {}", record.key.strategy, record.key.budget));
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    show(&report, run.path())?;
    report.log(path, run.path(), run.manifest(), run.len() > before)?;
    match report.check_answered() {
        // Its part may be a few prompts: the whole run is judged when it is merged.
        Err(error) if args.shard != Shard::WHOLE => say(format_args!("note: {error}")),
        checked => checked?,
    }
    Ok(())
}

fn merge(args: &CompareArgs, config: Option<&Path>) -> Result<()> {
    let given = config.map(|path| anyhow::Ok((read_for(path, args.merge.first())?, folder(path)))).transpose()?;
    let (run, report) = merge_shards(&args.merge, &args.out, given)?;
    show(&report, run.path())?;
    log_merged(&report, &run, config)?;
    Ok(report.check_answered()?)
}

fn finish(report: &Report, out: &Path) -> Result<()> {
    show(report, out)?;
    Ok(report.check_answered()?)
}
