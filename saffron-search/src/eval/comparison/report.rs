//! What a comparison leaves: its configuration, its records, and what is made of them.

use std::path::Path;

use super::{ComparisonConfig, ComparisonError, LoggedRun, Results, UnansweredError, results};
use crate::eval::files::{Journal, create_dir};
use crate::eval::runs::{Manifest, Record, RunError, read, write_summary};

/// A comparison that has ended, or as far as it has come.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The configuration.
    pub config: ComparisonConfig,
    /// The records.
    pub records: Vec<Record>,
    /// What is made of them.
    pub results: Results,
}

impl Report {
    /// The report on records.
    #[must_use]
    pub fn new(config: ComparisonConfig, records: Vec<Record>) -> Self {
        let results = results(&config, &records);
        Self { config, records, results }
    }

    /// The report on a run, from its directory alone. The records may be zipped.
    ///
    /// # Errors
    ///
    /// No run there, or a run of something else; files that cannot be read.
    pub fn of_run(dir: &Path) -> Result<Self, ComparisonError> {
        let (manifest, records) = read(dir)?;
        Ok(Self::new(Self::config_of(&manifest)?, records))
    }

    /// The report on records with a configuration: those of a run's directory, or of a file, which
    /// may be zipped.
    ///
    /// # Errors
    ///
    /// Files that cannot be read.
    pub fn of_records(config: ComparisonConfig, path: &Path) -> Result<Self, ComparisonError> {
        let zipped = path.extension().is_some_and(|extension| extension == "gz");
        let records = match (path.is_dir(), zipped) {
            (true, _) => read(path)?.1,
            (false, true) => Journal::read_gzipped(path)?,
            (false, false) => Journal::read(path)?,
        };
        Ok(Self::new(config, records))
    }

    /// The configuration that a run was begun with.
    ///
    /// # Errors
    ///
    /// A manifest of something else.
    pub fn config_of(manifest: &Manifest) -> Result<ComparisonConfig, ComparisonError> {
        let config = serde_json::from_value(manifest.settings.clone());
        config.map_err(|source| ComparisonError::NotAComparison { source })
    }

    /// Prompts without an answer, over all strategies.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.results.rows.iter().map(|row| row.failures).sum()
    }

    /// Writes `summary.json` into a directory, which is made where there is none.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(&self, dir: &Path) -> Result<(), RunError> {
        create_dir(dir)?;
        write_summary(dir, &self.results)
    }

    /// Adds the run to the log that its configuration names, unless it is there and nothing is
    /// `new`. `name` is what the log calls the configuration.
    ///
    /// # Errors
    ///
    /// A log that cannot be read or written.
    pub fn log(&self, name: &Path, out: &Path, manifest: &Manifest, new: bool) -> Result<(), ComparisonError> {
        match &self.config.log {
            Some(log) => Ok(LoggedRun::now(name, out, manifest, &self.results.rows)?.append(log, new)?),
            None => Ok(()),
        }
    }

    /// Checks that every strategy and budget has answered something of every data set.
    ///
    /// # Errors
    ///
    /// Those that have not; no records at all.
    pub fn check_answered(&self) -> Result<(), UnansweredError> {
        self.results.check_answered(&self.records)
    }
}
