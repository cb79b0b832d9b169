//! What both training programs are told.

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::{DType, Device};
use clap::Args;
use saffron_mrm::ModelOptions;
use saffron_search::eval::models::ModelOpener;
use saffron_train::recipe::RunOrigin;

use crate::device::{device, first};
use crate::models::{MemoryArgs, Opener};
use crate::recipe::folder_of;

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
    /// The memory that the model may take.
    #[command(flatten)]
    pub memory: MemoryArgs,
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
        Ok(Opener::new(self.device()?, options).with_memory(self.memory))
    }

    /// What the run's manifest says beside the recipe.
    ///
    /// # Errors
    ///
    /// Files of the model that cannot be read.
    pub fn origin(&self, opener: &Opener) -> Result<RunOrigin> {
        let models = opener.fingerprints().map_err(anyhow::Error::from_boxed)?;
        Ok(RunOrigin { folder: folder_of(&self.config), device: self.device.clone(), models })
    }
}
