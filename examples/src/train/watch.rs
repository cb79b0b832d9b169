//! A progress bar over the steps of a run; silent when standard error is no terminal.

use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use saffron_train::run::{Line, TrainObserver};

/// Shows steps, a mean of the loss that forgets, and tokens a second; counts both for a report.
#[derive(Debug)]
pub struct Watch {
    bar: ProgressBar,
    loss: Option<f64>,
    tokens: usize,
    seconds: f64,
}

impl Default for Watch {
    fn default() -> Self {
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} steps  {elapsed}, {eta} to go  {msg}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, loss: None, tokens: 0, seconds: 0.0 }
    }
}

impl Watch {
    /// Tokens forwarded by steps of this process, and the seconds that they took.
    #[must_use]
    pub fn speed(&self) -> (usize, f64) {
        (self.tokens, self.seconds)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl TrainObserver for Watch {
    fn on_start(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    fn on_line(&mut self, line: &Line) -> ControlFlow<()> {
        match line {
            Line::Step { step, done, seconds, .. } => {
                let loss = f64::from(done.loss);
                let mean = self.loss.map_or(loss, |mean| 0.98 * mean + 0.02 * loss);
                (self.loss, self.tokens, self.seconds) =
                    (Some(mean), self.tokens + done.tokens, self.seconds + seconds);
                self.bar.set_position(*step);
                let speed = self.tokens as f64 / self.seconds.max(1e-9);
                self.bar.set_message(format!("loss {mean:.4}, {speed:.0} tokens/s"));
            }
            Line::Validation { step, score, seconds, .. } => {
                self.bar.println(format!("step {step}: validation {score:.4} ({seconds:.1} s)"));
            }
        }
        ControlFlow::Continue(())
    }
}
