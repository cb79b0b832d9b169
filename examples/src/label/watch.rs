//! A labelling that is watched: a progress bar, and a log of how fast it goes.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use saffron_train::labels::{LabelLog, LabelRun, LabelSummary, Source};

/// Labels what is not done yet, with a bar on standard error and a log in the run's directory.
///
/// # Errors
///
/// As [`LabelRun::run`]; a log that cannot be written.
pub fn watched(run: &mut LabelRun, source: &mut dyn Source) -> Result<LabelSummary> {
    let (bar, mut log) = (progress(run), LabelLog::open(run.path())?);
    let mut logged = Ok(());
    let summary = run.run(source, &mut |group| {
        bar.inc(group.records.len() as u64);
        if logged.is_ok() {
            logged = log.ended(&group);
        }
    })?;
    bar.finish_and_clear();
    logged?;
    Ok(summary)
}

fn progress(run: &LabelRun) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} replies  {elapsed}, {eta} to go");
    let bar = ProgressBar::new(run.items() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(run.done() as u64);
    bar
}
