//! A comparison that is made: prompts, models, a directory.

use std::path::{Path, PathBuf};

use super::{ComparisonConfig, ComparisonError, PrepareError, Prepared, Report, prepare};
use crate::eval::inputs::{FilesOf, settings, with_files, with_places};
use crate::eval::models::{OpenedModels, check_old_run};
use crate::eval::runs::{Manifest, Record, RunDir, Shard, check_shards, merge};

/// A comparison with its prompts read and its models opened.
#[derive(Debug)]
pub struct Comparison<'a> {
    config: &'a ComparisonConfig,
    folder: &'a Path,
    models: &'a mut OpenedModels,
    prepared: Prepared,
}

impl<'a> Comparison<'a> {
    /// Reads the prompts of a [settled](ComparisonConfig::settled) configuration; `folder` is the
    /// one that its file lies in.
    ///
    /// # Errors
    ///
    /// As [`prepare`].
    pub fn prepare(
        config: &'a ComparisonConfig,
        folder: &'a Path,
        models: &'a mut OpenedModels,
    ) -> Result<Self, PrepareError> {
        let prepared = prepare(config, models.policy())?;
        Ok(Self { config, folder, models, prepared })
    }

    /// Its prompts and strategies.
    #[must_use]
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Number of records that a shard has in the end.
    #[must_use]
    pub fn size(&self, shard: Shard) -> usize {
        self.prepared.harness().plan().keys(shard).count()
    }

    /// With what a shard of the run is begun: the configuration, and the checksums of all files
    /// that it depends on. A program adds what it knows besides, such as the device.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, a configuration that JSON cannot hold.
    pub fn manifest(&self, shard: Shard, files_of: FilesOf<'_>) -> Result<Manifest, ComparisonError> {
        let known = self.models.fingerprints().iter().chain(&self.prepared.fingerprints);
        let known = known.map(|(name, value)| (name.clone(), value.clone())).collect();
        let manifest = Manifest::new(settings(self.config, self.folder)?, shard);
        Ok(with_files(manifest, "", self.config, self.folder, &known, files_of)?)
    }

    /// Runs what is not done yet in the directory of a run, and reports on all of it. `ended` hears
    /// of every record that is written.
    ///
    /// # Errors
    ///
    /// As [`Harness::run`](crate::eval::harness::Harness::run).
    pub fn run(&mut self, run: &mut RunDir, ended: &mut dyn FnMut(&Record)) -> Result<Report, ComparisonError> {
        self.prepared.harness().run(run, self.models, ended)?;
        let records = run.records()?;
        Ok(Report::new(self.config.clone(), records))
    }
}

/// Opens the directory of a comparison: a new one, or one that a run with the same manifest has
/// begun.
///
/// # Errors
///
/// A run with other settings, or of an earlier version that asked the policy otherwise; what
/// [`RunDir::open`] says.
pub fn open_run(dir: &Path, manifest: Manifest) -> Result<RunDir, ComparisonError> {
    check_old_run(dir, &manifest)?;
    Ok(RunDir::open(dir, manifest)?)
}

/// Makes one run of all its shards, and reports on it. Nothing is written unless all are given.
///
/// The report has the configuration `given`, with the folder that its file lies in, or else the one
/// that the shards were begun with; paths in that start from a folder that nobody knows.
///
/// # Errors
///
/// Shards that are missing, do not belong together, or were begun with another configuration than
/// the one given; what [`merge`] says.
pub fn merge_shards(
    shards: &[PathBuf],
    out: &Path,
    given: Option<(ComparisonConfig, &Path)>,
) -> Result<(RunDir, Report), ComparisonError> {
    if let Some((config, folder)) = &given {
        check_config(config, folder, shards)?;
    }
    check_all_given(shards)?;
    let run = merge(shards, out)?.run;
    let config = match given {
        Some((config, _)) => config,
        None => Report::config_of(run.manifest())?,
    };
    let report = Report::new(config, run.records()?);
    Ok((run, report))
}

fn check_all_given(shards: &[PathBuf]) -> Result<(), ComparisonError> {
    let manifests = shards.iter().map(|shard| Manifest::existing(shard)).collect::<Result<Vec<_>, _>>()?;
    let given: Vec<(&Path, &Manifest)> = shards.iter().map(PathBuf::as_path).zip(&manifests).collect();
    let (_, missing) = check_shards(&given)?;
    match missing.is_empty() {
        true => Ok(()),
        false => Err(ComparisonError::ShardsMissing { missing }),
    }
}

/// Refuses shards that were begun with another configuration.
fn check_config(config: &ComparisonConfig, folder: &Path, shards: &[PathBuf]) -> Result<(), ComparisonError> {
    let manifest = with_places(Manifest::new(settings(config, folder)?, Shard::WHOLE), "", config)?;
    for shard in shards {
        if !manifest.same_settings(&Manifest::existing(shard)?) {
            return Err(ComparisonError::OtherConfig { shard: shard.clone() });
        }
    }
    Ok(())
}
