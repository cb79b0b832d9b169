//! A run that is stopped or cut off and taken up again ends as one that was not.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use saffron_train::run::{Line, TrainObserver};

use super::{STEPS, checkpoints, copy, corpus, ends_as, finish, open, stopped, validation, whole};
use crate::labels::fast_dir;

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
