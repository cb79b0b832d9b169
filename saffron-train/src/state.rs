//! A trainer on disk: all that its next step depends on.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Bytes;
use saffron_search::eval::files::{FileError, read_capped};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::objective::Objective;
use crate::trainer::Trainer;

const MOMENTS: &str = "optimizer.bpk";
const PROGRESS: &str = "trainer.json";

/// The most bytes of a JSON file: 16 MiB.
const MAX_JSON: u64 = 16 << 20;

/// The most bytes of a file of tensors for each parameter: twice its two moments in float32.
const BYTES_A_PARAMETER: u64 = 16;
/// What such a file may have besides: names, shapes, norms that are not trained.
const BYTES_BESIDES: u64 = 64 << 20;

/// How far a trainer is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    steps: u64,
    /// Tensors that the optimiser remembers.
    moments: usize,
}

impl<O: Objective> Trainer<O> {
    /// Writes the network, the optimiser's moments and the number of steps into a directory. [`resumed`](Self::resumed) goes on from there
    /// with the same bits. Files are written one by one: a [`TrainRun`](crate::TrainRun) has them appear together.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn save(&self, dir: &Path) -> Result<(), TrainError> {
        self.network().save(dir)?;
        let path = dir.join(MOMENTS);
        let moments = self.optimizer().into_bytes();
        let moments =
            moments.map_err(|error| TrainError::Checkpoint { path: path.clone(), reason: error.to_string() })?;
        fs::write(&path, &moments[..]).map_err(FileError::io("write", &path))?;
        let progress = Progress { steps: self.steps(), moments: self.optimizer().to_record().len() };
        write_json(&dir.join(PROGRESS), "a trainer's progress", &progress)
    }

    /// The trainer as it was when it was written. Objective and settings are this one's.
    ///
    /// # Errors
    ///
    /// Files that are missing, damaged, larger than they can be, or of another model.
    pub fn resumed(self, dir: &Path) -> Result<Self, TrainError> {
        let Progress { steps, moments: expected } = read_json(&dir.join(PROGRESS))?;
        let path = dir.join(MOMENTS);
        let bytes = read_capped(&path, self.largest_file())?;
        let damaged = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let optimizer = self.settings().optimizer().from_bytes(Bytes::from_bytes_vec(bytes));
        let optimizer = optimizer.map_err(|error| damaged(error.to_string()))?;
        let found = optimizer.to_record().len();
        if found != expected {
            return Err(damaged(format!("expected {expected} moments, found {found}")));
        }
        let network = self.network().clone().restored(dir)?;
        Ok(self.restored(network, optimizer, steps))
    }

    /// The most bytes that are read of any file of a trainer.
    pub(crate) fn largest_file(&self) -> u64 {
        (self.network().adapter().num_params() as u64).saturating_mul(BYTES_A_PARAMETER).saturating_add(BYTES_BESIDES)
    }
}

pub(crate) fn write_json(path: &Path, what: &'static str, value: &impl Serialize) -> Result<(), TrainError> {
    let text = serde_json::to_vec_pretty(value).map_err(|source| TrainError::Json { what, source })?;
    Ok(fs::write(path, text).map_err(FileError::io("write", path))?)
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    let bytes = read_capped(path, MAX_JSON)?;
    let damaged =
        |error: serde_json::Error| TrainError::Checkpoint { path: path.to_owned(), reason: error.to_string() };
    serde_json::from_slice(&bytes).map_err(damaged)
}
