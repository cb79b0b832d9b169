//! A run that is stopped or cut off and taken up again ends as one that was not.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::run::{Line, TrainObserver};
use saffron_train::{PartialSupervision, RunSettings, TrainError, TrainRun};
use serde_json::json;

use super::{STEPS, checkpoints, copy, corpus, ends_as, files, finish, open, settings, stopped, validation, whole};
use crate::labels::fast_dir;
use crate::trainer;

#[test]
fn a_run_that_is_stopped_after_any_step_ends_as_one_that_was_not() {
    let expected = whole();
    for after in 1..=STEPS {
        let dir = fast_dir();
        stopped(dir.path(), after);
        assert_eq!(checkpoints(dir.path()).last(), Some(&after));
        ends_as(dir.path(), &expected, &format!("stopped after step {after}"));
    }
}

#[test]
fn a_run_that_is_stopped_after_every_step_ends_as_one_that_was_not() {
    let dir = fast_dir();
    (1..STEPS).for_each(|after| stopped(dir.path(), after));
    ends_as(dir.path(), &whole(), "stopped after every step");
}

/// Keeps the files as a kill would leave them after each line.
struct CutOff<'a> {
    run: &'a Path,
    kept: PathBuf,
    lines: usize,
}

impl TrainObserver for CutOff<'_> {
    fn on_line(&mut self, _line: &Line) -> ControlFlow<()> {
        copy(self.run, &self.kept.join(self.lines.to_string()));
        self.lines += 1;
        ControlFlow::Continue(())
    }
}

#[test]
fn a_run_that_is_cut_off_after_any_line_ends_as_one_that_was_not() {
    let (dir, kept) = (fast_dir(), fast_dir());
    let mut observer = CutOff { run: dir.path(), kept: kept.path().to_owned(), lines: 0 };
    let mut run = open(dir.path()).unwrap();
    run.train(&corpus(), &validation(), &mut observer).unwrap();
    let lines = observer.lines;
    assert_eq!(lines as u64, STEPS + 4, "a line a step and a validation");
    let expected = whole();
    for line in 0..lines {
        ends_as(&kept.path().join(line.to_string()), &expected, &format!("cut off after line {line}"));
    }
}

#[test]
fn a_run_that_is_done_changes_nothing_when_it_is_opened_again() {
    let dir = fast_dir();
    let (first, again) = (finish(dir.path()), finish(dir.path()));
    assert_eq!(again.differences(&first), [""; 0]);
    let report = open(dir.path()).unwrap().train(&corpus(), &validation(), &mut ()).unwrap().report;
    assert!(report.is_none(), "this process validated nothing");
}

#[test]
fn what_a_kill_left_of_a_checkpoint_is_not_taken_for_one() {
    let dir = fast_dir();
    stopped(dir.path(), 4);
    let checkpoints = dir.path().join("checkpoints");
    for name in [".step-00000006.partial", ".step-00000004.old"] {
        std::fs::create_dir(checkpoints.join(name)).unwrap();
        std::fs::write(checkpoints.join(name).join("optimizer.bpk"), "half").unwrap();
    }
    assert_eq!(open(dir.path()).unwrap().trainer().steps(), 4);
    ends_as(dir.path(), &whole(), "beside what a kill left");
    assert!(!checkpoints.join(".step-00000006.partial").exists());
}

/// A run whose manifest says that it may be made longer; validated at the end of every epoch.
fn lasting(dir: &Path, epochs: u64) -> Result<TrainRun<PartialSupervision>, TrainError> {
    let settings = RunSettings { epochs, validate_every: 0, ..settings() };
    let manifest = Manifest::new(json!({ "rate": 0.01, "run": settings }), Shard::WHOLE);
    TrainRun::open(dir, &RunSettings::may_change(manifest, "run"), trainer("tiny-a", 1e-2), settings)
}

#[test]
fn epochs_may_be_raised_and_the_run_ends_as_one_that_was_begun_so() {
    let (whole, pieces) = (fast_dir(), fast_dir());
    let end = |dir: &Path, epochs: u64| {
        let mut run = lasting(dir, epochs).unwrap();
        assert!(run.train(&corpus(), &validation(), &mut ()).unwrap().complete);
        run.export().unwrap();
        let lines: Vec<Line> = run.lines().unwrap().into_iter().map(Line::without_time).collect();
        (run.trainer().steps(), lines, files(&dir.join("model")), std::fs::read(dir.join("manifest.json")).unwrap())
    };
    let expected = end(whole.path(), 3);
    assert_eq!(expected.0, STEPS);
    assert_eq!(end(pieces.path(), 1).0, STEPS / 3);
    assert!(end(pieces.path(), 3) == expected);
    assert!(end(pieces.path(), 3) == expected, "nothing is left to do");
}

#[test]
fn a_run_is_not_made_shorter_than_it_is() {
    let dir = fast_dir();
    lasting(dir.path(), 2).unwrap().train(&corpus(), &validation(), &mut ()).unwrap();
    let mut run = lasting(dir.path(), 1).unwrap();
    let error = run.train(&corpus(), &validation(), &mut ()).unwrap_err();
    assert!(matches!(error, TrainError::Shorter { taken: 8, total: 4 }), "{error}");
}

#[cfg(unix)]
#[test]
fn removing_the_lock_lets_no_second_process_write() {
    let dir = fast_dir();
    stopped(dir.path(), 3);
    let _held = open(dir.path()).unwrap();
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("metrics.jsonl is held by another process"), "{error}");
}
