//! Checkpoints: all that a run needs to go on.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use saffron_search::eval::files::{FileError, create_dir, open_regular};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::folder;
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::Objective;
use crate::state::{read_json, write_json};
use crate::trainer::Trainer;

const STATE: &str = "state.json";
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
    /// Settings that a step depends on.
    pub(super) settings: Value,
}

impl State {
    pub(super) fn new(step: u64, lines: usize, best: Option<Best>, settings: Value) -> Self {
        Self { version: VERSION, step, lines, best, settings }
    }
}

/// The checkpoints of a run.
#[derive(Debug)]
pub(super) struct Checkpoints {
    dir: PathBuf,
    keep: usize,
    /// The most bytes that are read of a file.
    largest_file: u64,
}

impl Checkpoints {
    pub(super) fn open(dir: PathBuf, keep: usize, largest_file: u64) -> Result<Self, TrainError> {
        create_dir(&dir)?;
        Ok(Self { dir, keep, largest_file })
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
        trainer.resumed(&self.step_dir(state.step))
    }

    /// The network of a step.
    pub(super) fn network<O: Objective>(&self, trainer: &Trainer<O>, step: u64) -> Result<Network, TrainError> {
        self.read(step)?;
        trainer.network().clone().restored(&self.step_dir(step))
    }

    /// Writes a checkpoint, whole or not at all, and removes those that are no longer kept.
    pub(super) fn save<O: Objective>(&self, trainer: &Trainer<O>, state: &State) -> Result<(), TrainError> {
        folder::replace(&self.step_dir(state.step), |dir| {
            trainer.save(dir)?;
            write_json(&dir.join(STATE), "the state of a checkpoint", state)?;
            write_json(&dir.join(SUMS), "the checksums of a checkpoint", &self.checksums(dir)?)
        })?;
        self.prune(state)
    }

    /// Removes checkpoints that are no longer kept. One beyond the step is a damaged one, which will be written again: it counts for
    /// nothing.
    fn prune(&self, State { step, best, .. }: &State) -> Result<(), TrainError> {
        let mut steps = self.steps()?;
        steps.retain(|there| there <= step);
        let (old, kept) = steps.split_at(steps.len().saturating_sub(self.keep));
        // What a kept checkpoint calls the best is kept, too, so that it may be fallen back on.
        let theirs = kept.iter().filter_map(|step| read_json::<State>(&self.step_dir(*step).join(STATE)).ok()?.best);
        let best: Vec<u64> = theirs.chain(*best).map(|best| best.step).collect();
        let gone = old.iter().filter(|step| !best.contains(step));
        gone.copied().try_for_each(|step| folder::remove(&self.step_dir(step)))
    }

    /// Reads what a checkpoint says of itself, and whether its files are what they were.
    fn read(&self, step: u64) -> Result<State, TrainError> {
        let dir = self.step_dir(step);
        let (expected, found) = (read_json::<BTreeMap<String, u32>>(&dir.join(SUMS))?, self.checksums(&dir)?);
        let damaged = |name: &str, reason| Err(TrainError::Checkpoint { path: dir.join(name), reason });
        let names = expected.keys().map(String::as_str).chain([STATE]);
        if let Some(name) = names.into_iter().find(|name| !expected.contains_key(*name) || !found.contains_key(*name)) {
            return damaged(name, String::from("is missing"));
        }
        if let Some((name, sum)) = expected.iter().find(|(name, sum)| found[*name] != **sum) {
            return damaged(name, format!("expected CRC-32 {sum:08x}, found {:08x}", found[name]));
        }
        let state: State = read_json(&dir.join(STATE))?;
        if (state.version, state.step) == (VERSION, step) {
            return Ok(state);
        }
        let found = format!("found version {} of step {}", state.version, state.step);
        damaged(STATE, format!("expected version {VERSION} of step {step}, {found}"))
    }

    /// The file in which a checkpoint says what it is.
    pub(super) fn state_file(&self, state: &State) -> PathBuf {
        self.step_dir(state.step).join(STATE)
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

    /// CRC-32 of all files of a directory, by name, but of the checksums themselves.
    fn checksums(&self, dir: &Path) -> Result<BTreeMap<String, u32>, TrainError> {
        let mut sums = BTreeMap::new();
        for entry in fs::read_dir(dir).map_err(FileError::io("read", dir))? {
            let entry = entry.map_err(FileError::io("read", dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != SUMS {
                sums.insert(name, checksum(&entry.path(), self.largest_file)?);
            }
        }
        Ok(sums)
    }
}

/// CRC-32 of a file of at most so many bytes.
fn checksum(path: &Path, limit: u64) -> Result<u32, FileError> {
    let mut file = open_regular(path)?.take(limit.saturating_add(1));
    let (mut sum, mut buffer, mut read) = (crc32fast::Hasher::new(), vec![0; 1 << 18], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) if read > limit => return Err(FileError::TooLarge { path: path.to_owned(), limit }),
            Ok(0) => return Ok(sum.finalize()),
            Ok(count) => {
                sum.update(&buffer[..count]);
                read += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FileError::io("read", path)(error)),
        }
    }
}
