//! Strategies that have answered nothing.

use anyhow::{Result, bail, ensure};
use saffron_search::eval::runs::summary::Row;
use saffron_search::eval::runs::{Ending, Record};

use super::Results;

/// Checks that every strategy and budget has answered something of every data set.
///
/// # Errors
///
/// Those that have not, each with what the first of its prompts failed with; no records at all.
pub fn check_answered(results: &Results, records: &[Record]) -> Result<()> {
    ensure!(!records.is_empty(), "the run has no records: there is nothing to report on");
    let unanswered = results.rows.iter().filter(|row| row.prompts > 0 && row.failures == row.prompts);
    let said: Vec<String> = unanswered.map(|row| sentence(row, records)).collect();
    match said.is_empty() {
        true => Ok(()),
        false => bail!("{}", said.join("\n")),
    }
}

fn sentence(row: &Row, records: &[Record]) -> String {
    let Row { strategy, budget, set, prompts, .. } = row;
    let of_row = |record: &&Record| {
        (&record.key.strategy, &record.key.budget, &record.set, &record.kind) == (strategy, budget, set, &row.kind)
    };
    let mut errors = records.iter().filter(of_row).filter_map(|record| match &record.ending {
        Ending::Failed { error } => Some(error.as_str()),
        Ending::Answered(_) => None,
    });
    let first = errors.next().unwrap_or("an unknown error");
    format!("{strategy} at {budget} has no answer on {set}: all {prompts} prompts failed, the first with: {first}")
}
