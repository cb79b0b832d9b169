//! Training programs that are killed, and go on.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{changed, files, labelled, metrics, program, succeed};
use crate::programs::{run, text};

fn lines(run: &Path) -> usize {
    fs::read(run.join("metrics.jsonl")).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

/// Starts a program and kills it once its log has `goal` lines, or a little later; says whether it was still running.
fn killed(name: &str, config: &Path, out: &Path, goal: usize, later: Duration) -> bool {
    let mut child = program(name, config, out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while (lines(out) < goal || !out.join("manifest.json").exists()) && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(120), "stuck at {} lines", lines(out));
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(later);
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// Kills a run at ten moments of its life, and compares what becomes of it with a run that was left alone.
fn survives_kills(name: &str, config: &Path, dir: &Path) {
    let (whole, pieces) = (dir.join("whole"), dir.join("pieces"));
    succeed(&mut program(name, config, &whole));
    let all = metrics(&whole);
    let mut kills = 0;
    for moment in 0..10 {
        let goal = moment * (all.len() - 2) / 10;
        kills += usize::from(killed(name, config, &pieces, goal, Duration::from_millis(3 * moment as u64)));
        assert!(all.starts_with(&metrics(&pieces)), "after kill {moment}");
    }
    assert!(kills >= 8, "the run was over before it could be killed: {kills} kills");
    succeed(&mut program(name, config, &pieces));
    assert!(metrics(&pieces) == all);
    assert!(files(&pieces.join("model")) == files(&whole.join("model")));
    for file in ["report.json", "manifest.json"] {
        assert!(fs::read(pieces.join(file)).unwrap() == fs::read(whole.join(file)).unwrap(), "{file}");
    }
}

/// More steps, and a checkpoint after nearly every one.
const LONGER: [(&str, &str); 2] = [("epochs = 2", "epochs = 8"), ("checkpoint_every = 2", "checkpoint_every = 1")];

#[test]
fn a_guard_killed_at_ten_moments_of_its_training_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    survives_kills("train_guard", &changed("train_guard", dir.path(), &LONGER), dir.path());
}

#[test]
fn a_reward_model_killed_at_ten_moments_of_its_training_is_the_same() {
    let dir = labelled();
    survives_kills("train_mrm", &changed("train_mrm", dir.path(), &LONGER), dir.path());
}

#[test]
fn a_run_is_worked_on_by_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (config, out) = (changed("train_guard", dir.path(), &[("epochs = 2", "epochs = 500")]), dir.path().join("run"));
    let mut first = program("train_guard", &config, &out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while lines(&out) == 0 && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = run(&mut program("train_guard", &config, &out));
    first.kill().unwrap();
    first.wait().unwrap();
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("lock is held by another process"), "{error}");
}

#[test]
fn a_training_is_made_longer_when_it_is_resumed_but_not_shorter_than_it_is() {
    let dir = labelled();
    let (whole, pieces) = (dir.path().join("whole"), dir.path().join("pieces"));
    let lasting = |epochs: u32| changed("train_mrm", dir.path(), &[("epochs = 2", &format!("epochs = {epochs}"))]);
    succeed(&mut program("train_mrm", &lasting(3), &whole));
    for epochs in [1, 3] {
        succeed(&mut program("train_mrm", &lasting(epochs), &pieces));
    }
    assert!(metrics(&pieces) == metrics(&whole));
    assert!(files(&pieces.join("model")) == files(&whole.join("model")));
    for file in ["report.json", "manifest.json"] {
        assert!(fs::read(pieces.join(file)).unwrap() == fs::read(whole.join(file)).unwrap(), "{file}");
    }
    let output = run(&mut program("train_mrm", &lasting(2), &pieces));
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("may be made longer, but not shorter"), "{error}");
    let other = changed("train_mrm", dir.path(), &[("epochs = 2", "epochs = 3"), ("batch = 4", "batch = 3")]);
    let error = text(&run(&mut program("train_mrm", &other, &pieces)).stderr);
    assert!(error.contains("run.batch: 3 here, 4 in the run"), "{error}");
}
