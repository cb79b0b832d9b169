//! Checkpoints: all that a run needs to go on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Bytes;
use saffron_search::eval::files::{FileError, create_dir};
use serde::{Deserialize, Serialize};

use super::folder;
use crate::objective::Objective;
use crate::trainer::Trainer;
use crate::{Network, TrainError};

const STATE: &str = "state.json";
const MOMENTS: &str = "optimizer.bpk";
const VERSION: u32 = 1;

/// The best validated step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) step: u64,
    pub(super) score: f64,
}

/// What a checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    pub(super) step: u64,
    /// Lines of the log up to here.
    pub(super) lines: usize,
    pub(super) best: Option<Best>,
    /// CRC-32 of the other files, by name.
    files: BTreeMap<String, u32>,
}

impl State {
    pub(super) fn new(step: u64, lines: usize, best: Option<Best>) -> Self {
        Self { version: VERSION, step, lines, best, files: BTreeMap::new() }
    }
}

/// The checkpoints of a run.
#[derive(Debug)]
pub(super) struct Checkpoints {
    dir: PathBuf,
    keep: usize,
}

impl Checkpoints {
    pub(super) fn open(dir: PathBuf, keep: usize) -> Result<Self, TrainError> {
        create_dir(&dir)?;
        Ok(Self { dir, keep })
    }

    /// The last checkpoint that is whole; none where there are none at all.
    pub(super) fn latest(&self) -> Result<Option<State>, TrainError> {
        let mut first = None;
        for step in self.steps()?.into_iter().rev() {
            match self.read(step) {
                Ok(state) => return Ok(Some(state)),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(None), Err)
    }

    /// A trainer as it was when a checkpoint was written.
    pub(super) fn restore<O: Objective>(&self, trainer: Trainer<O>, state: &State) -> Result<Trainer<O>, TrainError> {
        let dir = self.step_dir(state.step);
        let path = dir.join(MOMENTS);
        let bytes = fs::read(&path).map_err(FileError::io("read", &path))?;
        let damaged = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let optimizer = trainer.settings().optimizer().from_bytes(Bytes::from_bytes_vec(bytes));
        let optimizer = optimizer.map_err(|error| damaged(error.to_string()))?;
        let network = trainer.network().clone().restored(&dir)?;
        let (found, expected) = (optimizer.to_record().len(), 2 * network.trained());
        if found != expected {
            return Err(damaged(format!("expected {expected} moments, found {found}")));
        }
        Ok(trainer.restored(network, optimizer, state.step))
    }

    /// The network of a step.
    pub(super) fn network<O: Objective>(&self, trainer: &Trainer<O>, step: u64) -> Result<Network, TrainError> {
        self.read(step)?;
        trainer.network().clone().restored(&self.step_dir(step))
    }

    /// Writes a checkpoint, whole or not at all, and removes those that are no longer kept.
    pub(super) fn save<O: Objective>(&self, trainer: &Trainer<O>, mut state: State) -> Result<(), TrainError> {
        folder::replace(&self.step_dir(state.step), |dir| {
            trainer.network().save(dir)?;
            let path = dir.join(MOMENTS);
            let moments = trainer.optimizer().into_bytes();
            let moments =
                moments.map_err(|error| TrainError::Checkpoint { path: path.clone(), reason: error.to_string() })?;
            fs::write(&path, &moments[..]).map_err(FileError::io("write", &path))?;
            state.files = checksums(dir)?;
            let text = serde_json::to_vec_pretty(&state);
            let text = text.map_err(|source| TrainError::Json { what: "the state of a checkpoint", source })?;
            let path = dir.join(STATE);
            Ok(fs::write(&path, text).map_err(FileError::io("write", &path))?)
        })?;
        self.prune(state.best)
    }

    fn prune(&self, best: Option<Best>) -> Result<(), TrainError> {
        let steps = self.steps()?;
        let old = &steps[..steps.len().saturating_sub(self.keep)];
        old.iter()
            .filter(|step| best.is_none_or(|best| best.step != **step))
            .try_for_each(|step| folder::remove(&self.step_dir(*step)))
    }

    /// Reads what a checkpoint says of itself, and whether its files are what they were.
    fn read(&self, step: u64) -> Result<State, TrainError> {
        let dir = self.step_dir(step);
        let path = dir.join(STATE);
        let damaged = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let bytes = fs::read(&path).map_err(FileError::io("read", &path))?;
        let state: State = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if state.version != VERSION || state.step != step {
            let expected = format!("expected version {VERSION} of step {step}");
            return Err(damaged(format!("{expected}, found version {} of step {}", state.version, state.step)));
        }
        let found = checksums(&dir)?;
        match state.files.iter().find(|(name, sum)| found.get(*name) != Some(*sum)) {
            Some((name, _)) => Err(damaged(format!("{name} is not what was written"))),
            None => Ok(state),
        }
    }

    fn step_dir(&self, step: u64) -> PathBuf {
        self.dir.join(format!("step-{step:08}"))
    }

    /// The steps of all checkpoints, whole or not, in ascending order.
    fn steps(&self) -> Result<Vec<u64>, TrainError> {
        let entries = fs::read_dir(&self.dir).map_err(FileError::io("read", &self.dir))?;
        let mut steps = Vec::new();
        for entry in entries {
            let entry = entry.map_err(FileError::io("read", &self.dir))?;
            steps.extend(entry.file_name().to_str().and_then(|name| name.strip_prefix("step-")?.parse::<u64>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }
}

/// CRC-32 of all files of a directory but the state itself.
fn checksums(dir: &Path) -> Result<BTreeMap<String, u32>, TrainError> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(FileError::io("read", dir))? {
        let entry = entry.map_err(FileError::io("read", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != STATE {
            let bytes = fs::read(entry.path()).map_err(FileError::io("read", &entry.path()))?;
            sums.insert(name, crc32fast::hash(&bytes));
        }
    }
    Ok(sums)
}
