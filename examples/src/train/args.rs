//! What both training programs are told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::RunSettings;

use crate::compare::fingerprints;
use crate::device::{device, first};
use crate::manifest::{NamesFiles, settings, with_files};

/// Arguments: a recipe, and where its run lies.
#[derive(Clone, Debug, Args)]
#[command(about = None, long_about = None)]
pub struct TrainArgs {
    /// What is trained on what.
    #[arg(long)]
    pub config: PathBuf,
    /// Directory of the run.
    #[arg(long)]
    pub out: PathBuf,
    /// Device to run on.
    #[arg(long, default_value = first())]
    pub device: String,
}

impl TrainArgs {
    /// The device.
    ///
    /// # Errors
    ///
    /// No such device.
    pub fn device(&self) -> Result<Device> {
        device(&self.device)
    }

    /// With what the run is begun: the recipe, the device, the checksums of files and of all files
    /// in directories. The run may be made longer.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn manifest<'a>(
        &self,
        recipe: &impl NamesFiles,
        paths: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<Manifest> {
        let folder = self.config.parent().unwrap_or(Path::new(""));
        let mut sums = BTreeMap::new();
        for path in paths {
            sums.extend(fingerprints(path)?);
        }
        let manifest = Manifest::new(settings(recipe, folder)?, Shard::WHOLE).fingerprint("device", &self.device);
        with_files(RunSettings::may_change(manifest, "run"), "", recipe, folder, &sums)
    }
}
