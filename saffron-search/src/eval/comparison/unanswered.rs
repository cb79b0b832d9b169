//! Strategies that have answered nothing.

use std::fmt;

use super::Results;
use crate::eval::runs::summary::Row;
use crate::eval::runs::{Ending, Record};

/// A comparison that says nothing, or nothing of some strategies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnansweredError {
    /// No records at all.
    #[error("the run has no records: there is nothing to report on")]
    NoRecords,
    /// Strategies without an answer on a data set.
    #[error("{}", lines(.unanswered))]
    Strategies {
        /// Which, on which data sets.
        unanswered: Vec<Unanswered>,
    },
}

/// A strategy and budget without an answer on a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The strategy.
    pub strategy: String,
    /// Its budget.
    pub budget: u64,
    /// The data set.
    pub set: String,
    /// How many prompts it was asked.
    pub prompts: u64,
    /// What the first of them failed with.
    pub first_error: String,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strategy, budget, set, prompts, first_error } = self;
        write!(f, "{strategy} at {budget} has no answer on {set}: ")?;
        write!(f, "all {prompts} prompts failed, the first with: {first_error}")
    }
}

fn lines(unanswered: &[Unanswered]) -> String {
    unanswered.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Results {
    /// Checks that every strategy and budget has answered something of every data set.
    ///
    /// # Errors
    ///
    /// Those that have not, each with what the first of its prompts failed with; no records at all.
    pub fn check_answered(&self, records: &[Record]) -> Result<(), UnansweredError> {
        if records.is_empty() {
            return Err(UnansweredError::NoRecords);
        }
        let all_failed = self.rows.iter().filter(|row| row.prompts > 0 && row.failures == row.prompts);
        let unanswered: Vec<Unanswered> = all_failed.map(|row| Unanswered::of(row, records)).collect();
        match unanswered.is_empty() {
            true => Ok(()),
            false => Err(UnansweredError::Strategies { unanswered }),
        }
    }
}

impl Unanswered {
    fn of(row: &Row, records: &[Record]) -> Self {
        let Row { strategy, budget, set, prompts, .. } = row;
        let of_row = |record: &&Record| {
            (&record.key.strategy, &record.key.budget, &record.set, &record.kind) == (strategy, budget, set, &row.kind)
        };
        let mut errors = records.iter().filter(of_row).filter_map(|record| match &record.ending {
            Ending::Failed { error } => Some(error.as_str()),
            Ending::Answered(_) => None,
        });
        let first_error = errors.next().unwrap_or("an unknown error").to_owned();
        Self { strategy: strategy.clone(), budget: *budget, set: set.clone(), prompts: *prompts, first_error }
    }
}
