//! What both training programs are told.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::{DType, Device};
use clap::Args;
use saffron_mrm::ModelOptions;
use saffron_search::eval::inputs::{NamesFiles, fingerprints, settings, with_files};
use saffron_search::eval::models::{ENCODING, ModelOpener, TOGETHER, check_old_run};
use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::RunSettings;

use crate::device::{device, first};
use crate::models::{Opener, files_of};

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

    /// Opens the model that is trained, in float32.
    ///
    /// # Errors
    ///
    /// No such device.
    pub fn opener(&self) -> Result<Opener> {
        let options = ModelOptions { dtype: DType::F32, ..ModelOptions::default() };
        Ok(Opener::new(self.device()?, options))
    }

    /// With what the run is begun: the recipe, the device, what is known of the model, the
    /// checksums of files and of all files in directories, and whether prompts are encoded
    /// `together` with their layout. The run may be made longer.
    ///
    /// # Errors
    ///
    /// A file that cannot be read; a run in the directory whose prompts were encoded otherwise.
    pub fn manifest<'a>(
        &self,
        recipe: &impl NamesFiles,
        opener: &Opener,
        paths: impl IntoIterator<Item = &'a PathBuf>,
        together: bool,
    ) -> Result<Manifest> {
        let folder = self.config.parent().unwrap_or(Path::new(""));
        let mut sums = opener.fingerprints().map_err(anyhow::Error::from_boxed)?;
        for path in paths {
            sums.extend(fingerprints(path, &files_of)?);
        }
        let mut manifest = Manifest::new(settings(recipe, folder)?, Shard::WHOLE).fingerprint("device", &self.device);
        if together {
            manifest = manifest.fingerprint(ENCODING, TOGETHER);
        }
        let manifest = with_files(RunSettings::may_change(manifest, "run"), "", recipe, folder, &sums, &files_of)?;
        check_old_run(&self.out, &manifest)?;
        Ok(manifest)
    }
}
