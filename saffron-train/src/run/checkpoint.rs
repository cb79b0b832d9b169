//! Checkpoints: all that a run needs to go on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Bytes;
use saffron_search::eval::files::{FileError, create_dir};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::folder;
use crate::objective::Objective;
use crate::trainer::Trainer;
use crate::{Network, TrainError};

const STATE: &str = "state.json";
const MOMENTS: &str = "optimizer.bpk";
const SUMS: &str = "checksums.json";
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
    /// Tensors that the optimiser remembers.
    moments: usize,
}

impl State {
    pub(super) fn new(step: u64, lines: usize, best: Option<Best>) -> Self {
        Self { version: VERSION, step, lines, best, moments: 0 }
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

    /// The last checkpoint that is whole and whose lines of the log are there, of `lines` in all; none where there are none at all.
    pub(super) fn latest(&self, lines: usize) -> Result<Option<State>, TrainError> {
        let mut first = None;
        for step in self.steps()?.into_iter().rev() {
            match self.read(step).and_then(|state| self.logged(state, lines)) {
                Ok(state) => return Ok(Some(state)),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(None), Err)
    }

    /// Refuses a checkpoint whose log has lost lines.
    fn logged(&self, state: State, lines: usize) -> Result<State, TrainError> {
        if state.lines <= lines {
            return Ok(state);
        }
        let reason = format!("was written after {} lines of the log, of which {lines} are left", state.lines);
        Err(TrainError::Checkpoint { path: self.step_dir(state.step), reason })
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
        let (found, expected) = (optimizer.to_record().len(), state.moments);
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
            state.moments = trainer.optimizer().to_record().len();
            write(&dir.join(STATE), "the state of a checkpoint", &state)?;
            write(&dir.join(SUMS), "the checksums of a checkpoint", &checksums(dir)?)
        })?;
        self.prune(&state)
    }

    /// Removes checkpoints that are no longer kept. One beyond the step is a damaged one, which will be written again: it counts for
    /// nothing.
    fn prune(&self, State { step, best, .. }: &State) -> Result<(), TrainError> {
        let mut steps = self.steps()?;
        steps.retain(|there| there <= step);
        let old = &steps[..steps.len().saturating_sub(self.keep)];
        old.iter()
            .filter(|step| best.is_none_or(|best| best.step != **step))
            .try_for_each(|step| folder::remove(&self.step_dir(*step)))
    }

    /// Reads what a checkpoint says of itself, and whether its files are what they were.
    fn read(&self, step: u64) -> Result<State, TrainError> {
        let dir = self.step_dir(step);
        let (expected, found) = (read::<BTreeMap<String, u32>>(&dir.join(SUMS))?, checksums(&dir)?);
        let damaged = |name: &str, reason| Err(TrainError::Checkpoint { path: dir.join(name), reason });
        let names = expected.keys().map(String::as_str).chain([STATE, MOMENTS]);
        if let Some(name) = names.into_iter().find(|name| !expected.contains_key(*name) || !found.contains_key(*name)) {
            return damaged(name, String::from("is missing"));
        }
        if let Some((name, sum)) = expected.iter().find(|(name, sum)| found[*name] != **sum) {
            return damaged(name, format!("expected CRC-32 {sum:08x}, found {:08x}", found[name]));
        }
        let state: State = read(&dir.join(STATE))?;
        if (state.version, state.step) == (VERSION, step) {
            return Ok(state);
        }
        let found = format!("found version {} of step {}", state.version, state.step);
        damaged(STATE, format!("expected version {VERSION} of step {step}, {found}"))
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

/// CRC-32 of all files of a directory, by name, but of the checksums themselves.
fn checksums(dir: &Path) -> Result<BTreeMap<String, u32>, TrainError> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(FileError::io("read", dir))? {
        let entry = entry.map_err(FileError::io("read", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != SUMS {
            let bytes = fs::read(entry.path()).map_err(FileError::io("read", &entry.path()))?;
            sums.insert(name, crc32fast::hash(&bytes));
        }
    }
    Ok(sums)
}

fn write(path: &Path, what: &'static str, value: &impl Serialize) -> Result<(), TrainError> {
    let text = serde_json::to_vec_pretty(value).map_err(|source| TrainError::Json { what, source })?;
    Ok(fs::write(path, text).map_err(FileError::io("write", path))?)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    let bytes = fs::read(path).map_err(FileError::io("read", path))?;
    let damaged =
        |error: serde_json::Error| TrainError::Checkpoint { path: path.to_owned(), reason: error.to_string() };
    serde_json::from_slice(&bytes).map_err(damaged)
}
