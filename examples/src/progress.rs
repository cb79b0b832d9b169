//! Progress bars, of one search and of many prompts; silent when standard error is no terminal.

use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use saffron_core::{Level, ModelCall, Outcome, Role, SearchObserver, SearchStart};

/// Shows levels as they are completed, with the tokens forwarded so far.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    policy: u64,
    reward: u64,
}

impl Default for Progress {
    fn default() -> Self {
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} tokens  {elapsed}  {msg}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, policy: 0, reward: 0 }
    }
}

impl SearchObserver for Progress {
    fn on_start(&mut self, start: &SearchStart) {
        self.bar.set_length(start.max_new_tokens as u64);
    }

    fn on_call(&mut self, call: &ModelCall) {
        match call.role {
            Role::Policy => self.policy += call.work.computed.tokens,
            Role::Reward | Role::Judge => self.reward += call.work.computed.tokens,
        }
        self.bar.set_message(format!("{} policy, {} reward tokens forwarded", self.policy, self.reward));
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.bar.set_position(level.index as u64);
        ControlFlow::Continue(())
    }

    fn on_finish(&mut self, _outcome: &Outcome) {
        self.bar.finish_and_clear();
    }
}

/// A bar over many prompts, of which some are done.
#[must_use]
pub fn bar(all: u64, done: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} prompts  {elapsed}, {eta} to go  {msg}");
    let bar = ProgressBar::new(all).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(done);
    bar
}

/// A bar of a download.
#[must_use]
pub fn download() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {msg}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
