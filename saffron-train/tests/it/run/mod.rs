//! Runs: epochs, validation, checkpoints, and what they survive.

mod damage;
mod disk;
mod foreign;
mod order;
mod other;
mod resume;
mod rules;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::run::{Line, TrainObserver};
use saffron_train::{PartialSupervision, RunSettings, Sample, TrainError, TrainRun};
use serde_json::json;

use crate::trainer;

/// Steps of the run: three epochs of four batches.
const STEPS: u64 = 12;

fn corpus() -> Vec<Sample> {
    let sample = |place: usize| {
        let length = 2 + place % 4;
        let tokens = (0..length).map(|at| ((place * 17 + at * 29 + 3) % 100) as u32).collect();
        let rewards = (1..length).map(|at| ((place * 7 + at * 3) % 11) as f32 / 2.0 - 2.5).collect();
        Sample::new(tokens, rewards).unwrap()
    };
    (0..7).map(sample).collect()
}

/// What is known of the corpus after a while is wrong here: the first validation is the best.
fn validation() -> Vec<Sample> {
    let opposite = |sample: Sample| {
        let rewards = sample.rewards().iter().map(|reward| -3.0 * reward).collect();
        Sample::new(sample.tokens().to_vec(), rewards).unwrap()
    };
    corpus().into_iter().take(3).map(opposite).collect()
}

fn settings() -> RunSettings {
    let (epochs, batch, micro_batch, window) = (3, 2, 1, 2);
    RunSettings {
        epochs,
        batch,
        micro_batch,
        window,
        seed: 4,
        validate_every: 3,
        checkpoint_every: 2,
        ..RunSettings::default()
    }
}

fn manifest() -> Manifest {
    let settings = json!({ "rate": 0.01, "run": settings() });
    Manifest::new(settings, Shard::WHOLE).fingerprint("data", "crc32 00c0ffee")
}

fn open(dir: &Path) -> Result<TrainRun<PartialSupervision>, TrainError> {
    TrainRun::open(dir, &manifest(), trainer("tiny-a", 1e-2), settings())
}

/// Takes the steps that are left, and says what the run has come to.
fn finish(dir: &Path) -> Ended {
    let mut run = open(dir).unwrap();
    let finished = run.train(&corpus(), &validation(), &mut ()).unwrap();
    assert_eq!((finished.steps, finished.complete), (STEPS, true));
    run.export().unwrap();
    let metrics = run.lines().unwrap().into_iter().map(Line::without_time).collect();
    let mut last = files(&step(dir, STEPS));
    last.retain(|name, _| !["optimizer.bpk", "checksums.json"].contains(&name.as_str()));
    Ended { metrics, model: files(&dir.join("model")), last }
}

/// All that a run leaves, but for times.
#[derive(Debug)]
struct Ended {
    metrics: Vec<Line>,
    model: BTreeMap<String, Vec<u8>>,
    /// The last checkpoint: weights and state. Moments are written in any order; what they are shows in the steps after.
    last: BTreeMap<String, Vec<u8>>,
}

impl Ended {
    /// What is not as it is elsewhere, by name.
    fn differences(&self, other: &Self) -> Vec<String> {
        let files = |one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>, of: &str| {
            let names = one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name));
            names.map(|name| format!("{of}/{name}")).collect::<Vec<_>>()
        };
        let metrics = (self.metrics != other.metrics).then(|| String::from("metrics"));
        let folders = [files(&self.model, &other.model, "model"), files(&self.last, &other.last, "last")].concat();
        metrics.into_iter().chain(folders).collect()
    }
}

/// Ends a run, which must have come to what another has.
fn ends_as(dir: &Path, expected: &Ended, what: &str) {
    let differences = finish(dir).differences(expected);
    assert!(differences.is_empty(), "{what}: {differences:?} differ");
}

/// A run that nothing happened to.
fn whole() -> Ended {
    let dir = crate::labels::fast_dir();
    finish(dir.path())
}

pub(crate) fn step(dir: &Path, step: u64) -> std::path::PathBuf {
    dir.join("checkpoints").join(format!("step-{step:08}"))
}

/// The files of a folder and of the folders in it, by their paths.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            true => found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes))),
            false => drop(found.insert(name, fs::read(&path).unwrap())),
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in files(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Steps of which there are checkpoints.
fn checkpoints(dir: &Path) -> Vec<u64> {
    let names = fs::read_dir(dir.join("checkpoints")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut steps: Vec<u64> = names.map(|name| name.strip_prefix("step-").unwrap().parse().unwrap()).collect();
    steps.sort_unstable();
    steps
}

/// Stops a run after a step.
pub(crate) struct StopAfter(pub(crate) u64);

impl TrainObserver for StopAfter {
    fn on_line(&mut self, line: &Line) -> ControlFlow<()> {
        match line {
            Line::Step { step, .. } if *step == self.0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// A run that was stopped after a step.
fn stopped(dir: &Path, after: u64) {
    let mut run = open(dir).unwrap();
    let finished = run.train(&corpus(), &validation(), &mut StopAfter(after)).unwrap();
    assert_eq!((finished.steps, finished.complete), (after, after == STEPS));
}
