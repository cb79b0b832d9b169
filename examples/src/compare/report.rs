//! Reports on runs that are there.

use std::path::Path;

use anyhow::Result;
use saffron_search::eval::comparison::Report;

use super::{CompareArgs, read, show};

/// Reports on a run again, or on a file of records together with its configuration; answers go out
/// to be labelled, or labels come back.
///
/// # Errors
///
/// Files that cannot be read or written; a strategy without any answer.
pub fn report(args: &CompareArgs, run: &Path) -> Result<()> {
    let report = match &args.config {
        Some(config) => Report::of_records(read(config)?, run)?,
        None => Report::of_run(run)?,
    };
    show(&report, &args.out)?;
    args.labels.apply(&report, &args.out)?;
    Ok(report.check_answered()?)
}
