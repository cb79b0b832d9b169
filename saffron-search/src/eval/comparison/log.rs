//! A log of runs: what was run, told apart by a checksum of everything that it depends on, and what came of it.

use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::ComparisonError;
use crate::eval::files::{FileError, Journal};
use crate::eval::runs::summary::{Estimate, Row};
use crate::eval::runs::{Manifest, Shard};

/// How often a log that another run writes is tried again: ten seconds in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedRun {
    /// The configuration file.
    pub config: String,
    /// Checksum of all settings and of the checksums of models and data.
    pub configuration: String,
    /// Which part of the prompts it was.
    pub shard: Shard,
    /// Where it ran.
    pub out: String,
    /// When it ended, in seconds since 1970.
    pub ended: u64,
    /// What came of it.
    pub outcomes: Vec<Outcome>,
}

/// What came of one strategy and budget on one data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The strategy.
    pub strategy: String,
    /// Its budget.
    pub budget: u64,
    /// The data set.
    pub set: String,
    /// Prompts with a record.
    pub prompts: u64,
    /// Prompts without an answer.
    pub failures: u64,
    /// Answers without visible text; none where that is not known, as in logs of earlier versions.
    #[serde(default)]
    pub empty: Option<Estimate>,
    /// Unsafe answers by each judge.
    pub not_safe: Vec<(String, Estimate)>,
    /// Answers that refuse.
    pub refused: Option<Estimate>,
    /// Attributed TFLOP an answer.
    pub tflop: Option<f64>,
}

impl LoggedRun {
    /// A run that ends now.
    ///
    /// # Errors
    ///
    /// Settings that are no JSON, a clock before 1970.
    pub fn now(config: &Path, out: &Path, manifest: &Manifest, rows: &[Row]) -> Result<Self, ComparisonError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let ended = since.map_err(|_| ComparisonError::Clock)?.as_secs();
        let configuration = configuration(manifest)?;
        Ok(Self {
            config: config.display().to_string(),
            configuration,
            shard: manifest.shard,
            out: out.display().to_string(),
            ended,
            outcomes: rows.iter().map(Outcome::of).collect(),
        })
    }

    /// Adds the run to a log, unless it is there and nothing is `new`.
    ///
    /// # Errors
    ///
    /// A log that cannot be read or written.
    pub fn append(&self, log: &Path, new: bool) -> Result<(), FileError> {
        let mut log = opened(log)?;
        let same = |other: &Self| {
            (&other.configuration, other.shard, &other.out) == (&self.configuration, self.shard, &self.out)
        };
        if new || !log.records()?.iter().any(same) {
            log.append(self)?;
        }
        Ok(())
    }
}

/// The log, once other runs that end just now have let it go.
fn opened(path: &Path) -> Result<Journal<LoggedRun>, FileError> {
    for _ in 0..TRIES {
        match Journal::open(path) {
            Err(FileError::Held { .. }) => thread::sleep(PAUSE),
            opened => return opened,
        }
    }
    Journal::open(path)
}

/// Checksum of all that a run depends on, wherever its files lie.
///
/// # Errors
///
/// Settings that are no JSON.
pub fn configuration(manifest: &Manifest) -> Result<String, ComparisonError> {
    let all = serde_json::to_vec(&manifest.identity()).map_err(ComparisonError::Encode)?;
    Ok(format!("crc32 {:08x}", crc32fast::hash(&all)))
}

impl Outcome {
    fn of(row: &Row) -> Self {
        Self {
            strategy: row.strategy.clone(),
            budget: row.budget,
            set: row.set.clone(),
            prompts: row.prompts,
            failures: row.failures,
            empty: row.empty,
            not_safe: row.judges.iter().map(|judged| (judged.judge.clone(), judged.not_safe)).collect(),
            refused: row.refused,
            tflop: row.compute.as_ref().map(|compute| compute.attributed_tflop.mean),
        }
    }
}
