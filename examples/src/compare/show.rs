//! A report, written, printed and logged.

use std::path::Path;

use anyhow::Result;
use saffron_search::eval::comparison::{Prepared, Report};
use saffron_search::eval::runs::RunDir;

use super::{plot, table};
use crate::models::note;
use crate::output::line;

/// Writes summary and pictures into a directory, prints the table, and says what was written.
///
/// # Errors
///
/// Files that cannot be written.
pub fn show(report: &Report, out: &Path) -> Result<()> {
    report.write(out)?;
    let pictures = plot(&report.results, out)?;
    line(table(&report.results))?;
    let failures = report.failures();
    if failures > 0 {
        line(format_args!("{failures} prompts failed; their records say why, and --retry-failed tries them again"))?;
    }
    let paths = ["records.jsonl", "summary.json"].map(|name| out.join(name));
    let mut written = paths.iter().filter(|path| path.exists()).chain(&pictures);
    Ok(written.try_for_each(|path| line(path.display()))?)
}

/// Notes which prompts spell marks of the policy's layout, and what was left out of the data sets.
pub fn note_prompts(prepared: &Prepared) {
    prepared.marks().iter().for_each(|marks| note(&marks.to_string()));
    for (set, left_out) in prepared.left_out() {
        note(&format!("data set {set}: {left_out}"));
    }
}

/// Logs a run that was merged, if its log is known: a relative path starts from the folder of a
/// configuration that was named.
///
/// # Errors
///
/// A log that cannot be read or written.
pub fn log_merged(report: &Report, run: &RunDir, config: Option<&Path>) -> Result<()> {
    match &report.config.log {
        Some(log) if config.is_none() && log.is_relative() => {
            let log = log.display();
            note(&format!("{log}, the log, starts from the configuration's folder: name it (--config) to log the run"));
            Ok(())
        }
        _ => Ok(report.log(config.unwrap_or(Path::new("merged")), run.path(), run.manifest(), false)?),
    }
}
