//! What both training programs are told.

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use saffron_search::eval::runs::{Manifest, Shard};
use serde::Serialize;

use crate::compare::fingerprints;
use crate::device::{device, first};

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

    /// With what the run is begun: the recipe, the device, the checksums of files and of all files in directories.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn manifest<'a>(
        &self,
        recipe: &impl Serialize,
        paths: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<Manifest> {
        let mut manifest =
            Manifest::new(serde_json::to_value(recipe)?, Shard::WHOLE).fingerprint("device", &self.device);
        for path in paths {
            for (path, sum) in fingerprints(path)? {
                manifest = manifest.fingerprint(path, sum);
            }
        }
        Ok(manifest)
    }
}
