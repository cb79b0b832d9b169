//! What a training recipe shows while it goes on: a progress bar, silent when standard error is no terminal; with the feature `dashboard`
//! burn-train's dashboard in its place.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use saffron_train::run::{Corpus, Line, TrainObserver};
use saffron_train::{Objective, TrainRun};

use crate::output::line;

/// Takes the steps of a run that are left, watched, and exports `what` was trained; gives its
/// directory.
///
/// # Errors
///
/// As [`TrainRun::train`] and [`TrainRun::export`]; a run that was stopped before its end.
pub fn train<O: Objective>(
    run: &mut TrainRun<O>,
    corpus: &dyn Corpus<O::Sample>,
    validation: &[O::Sample],
    what: &str,
) -> Result<PathBuf> {
    let mut watch = Watch::default();
    let finished = run.train(corpus, validation, &mut watch)?;
    line(watch.finish(finished.steps))?;
    ensure!(finished.complete, "stopped after step {}; the same command goes on from there", finished.steps);
    let (model, step) = run.export()?;
    line(format_args!("{}: {what} of step {step}", model.display()))?;
    Ok(model)
}

/// Shows steps, a mean of the loss that forgets, and tokens a second; counts tokens and seconds for a report.
#[derive(Debug)]
pub struct Watch {
    bar: ProgressBar,
    #[cfg(feature = "dashboard")]
    dashboard: super::Dashboard,
    loss: Option<f64>,
    tokens: usize,
    seconds: f64,
}

impl Default for Watch {
    fn default() -> Self {
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} steps  {elapsed}, {eta} to go  {msg}");
        let bar = if cfg!(feature = "dashboard") { ProgressBar::hidden() } else { ProgressBar::new(0) };
        Self {
            bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
            #[cfg(feature = "dashboard")]
            dashboard: super::Dashboard::default(),
            loss: None,
            tokens: 0,
            seconds: 0.0,
        }
    }
}

impl Watch {
    /// Takes the display away; says how many steps were taken in all, and how fast those of this process.
    #[must_use]
    pub fn finish(self, steps: u64) -> String {
        self.bar.finish_and_clear();
        let (tokens, seconds) = (self.tokens, self.seconds);
        let speed = tokens as f64 / seconds.max(1e-9);
        format!("{steps} steps; {tokens} tokens in {seconds:.1} s here, {speed:.0} a second")
    }

    fn step(&mut self, step: u64, loss: f64) {
        let mean = self.loss.map_or(loss, |mean| 0.98 * mean + 0.02 * loss);
        self.loss = Some(mean);
        self.bar.set_position(step);
        let speed = self.tokens as f64 / self.seconds.max(1e-9);
        self.bar.set_message(format!("loss {mean:.4}, {speed:.0} tokens/s"));
    }
}

impl TrainObserver for Watch {
    fn on_start(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.reset_eta();
        #[cfg(feature = "dashboard")]
        self.dashboard.on_start(done, total);
    }

    fn on_line(&mut self, line: &Line) -> ControlFlow<()> {
        match line {
            Line::Step { step, done, seconds, .. } => {
                (self.tokens, self.seconds) = (self.tokens + done.tokens, self.seconds + seconds);
                self.step(*step, f64::from(done.loss));
            }
            Line::Validation { step, score, seconds, .. } => {
                self.bar.println(format!("step {step}: validation {score:.4} ({seconds:.1} s)"));
            }
        }
        #[cfg(feature = "dashboard")]
        return self.dashboard.on_line(line);
        #[cfg(not(feature = "dashboard"))]
        ControlFlow::Continue(())
    }
}
