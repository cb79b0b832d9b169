//! Watching a search, and looking at it afterwards: a progress bar, an observer that stops early, a trace in JSON lines that is replayed and
//! printed level by level, and a recording from which the search runs again without any model.
//!
//! ```text
//! cargo run --example observe_trace -- --policy models/smollm2 --mrm models/mrm --guard models/smollm2 \
//!     --prompt "How do I pick a lock?" --stop-at 6 --trace search.jsonl --recording models.jsonl
//! cargo run --example observe_trace -- --policy fixtures/tiny-b/policy --mrm fixtures/tiny-b/mrm --layout plain \
//!     --prompt "one question" --max-new-tokens 6
//! ```

use std::fmt::Display;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use saffron_core::{
    DirectPort, Level, Outcome, Policy, SearchObserver, SearchStart, TextPolicy, Vocabulary, with_causes,
};
use saffron_examples::models::PolicyArgs;
use saffron_examples::output::{self, OutputError, line};
use saffron_examples::progress::Progress;
use saffron_examples::prompt::{PromptArgs, RunArgs, save};
use saffron_examples::report;
use saffron_examples::rewards::RewardArgs;
use saffron_search::trace::recording::{Recording, RecordingPort, ReplayPort};
use saffron_search::trace::{JsonlTrace, read, replay};
use saffron_search::{Saffron, Searcher};
use serde_json::json;

/// Stops a search as soon as the best sequence of a level has enough reward.
struct StopAt {
    reward: Option<f32>,
}

impl SearchObserver for StopAt {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        let enough = |bar: f32| level.beam.iter().filter_map(|entry| entry.reward).any(|reward| reward >= bar);
        if self.reward.is_some_and(enough) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Prints what it is told, level by level; whether the search runs or is replayed makes no difference to it.
struct Levels {
    vocabulary: Arc<dyn Vocabulary>,
    /// Whether all of it could be printed so far; an observer cannot fail.
    printed: Result<(), OutputError>,
}

impl Levels {
    fn line(&mut self, text: impl Display) {
        if self.printed.is_ok() {
            self.printed = line(text);
        }
    }
}

impl SearchObserver for Levels {
    fn on_start(&mut self, start: &SearchStart) {
        self.line(format_args!("{}, rewarded by {}", start.strategy, start.reward));
    }

    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        self.line(format_args!("level {}", level.index));
        for entry in &level.beam {
            let text = self.vocabulary.decode(&entry.tokens).unwrap_or_else(|error| with_causes(&error));
            let stop = entry.stop.map_or_else(String::new, |stop| format!("  ({stop})"));
            self.line(format_args!("  {}  {text:?}{stop}", report::reward_text(entry.reward)));
        }
        if self.printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn on_finish(&mut self, outcome: &Outcome) {
        self.line(format_args!("ended: {}", outcome.stop));
    }
}

/// Watches a search, replays its trace, and runs it again without models.
///
/// Rewards come from --mrm, or from --guard alone, which is asked once a child.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 4)]
    width: usize,
    /// Stop the search once a sequence of the beam has this reward.
    #[arg(long, allow_negative_numbers = true)]
    stop_at: Option<f32>,
    /// Keep the trace: what happened, candidates in summary, one JSON object a line.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Keep the recording: all that the models answered, one JSON object a line.
    #[arg(long)]
    recording: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
}

/// What is left of a search when its models are gone.
struct Kept {
    outcome: Outcome,
    vocabulary: Arc<dyn Vocabulary>,
    text: String,
    trace: Vec<u8>,
    recording: Vec<u8>,
}

impl Args {
    fn searcher(&self) -> Result<Searcher> {
        let searcher = Searcher::new(Saffron::of(self.reward.preset()?, self.width)).min_new_tokens(0);
        Ok(searcher.max_new_tokens(self.run.max_new_tokens).seed(self.run.seed))
    }

    fn stop(&self) -> StopAt {
        StopAt { reward: self.stop_at }
    }

    /// The live search. Observers compose as pairs; the port between searcher and models records.
    fn search(&self) -> Result<Kept> {
        let (mut opener, mut policy) = self.policy.open(&self.reward)?;
        let mut scorer = self.reward.open(&mut opener)?;
        let session = self.prompt.session(&policy)?;
        let mut models = DirectPort::new(&mut policy, &mut *scorer);
        let mut port = RecordingPort::new(&mut models);
        let mut watching = (Progress::default(), (JsonlTrace::new(Vec::new()), self.stop()));
        let outcome = self.searcher()?.run_port(&session, &mut port, &mut watching)?;
        let mut recording = Vec::new();
        port.finish().write(&mut recording)?;
        let (trace, text) = (watching.1.0.finish()?, policy.text(&outcome.best)?);
        Ok(Kept { outcome, vocabulary: policy.vocabulary(), text, trace, recording })
    }

    /// The same search, answered from the recording.
    fn search_again(&self, kept: &Kept) -> Result<Outcome> {
        let mut port = ReplayPort::new(Recording::read(&kept.recording[..])?).with_vocabulary(kept.vocabulary.clone());
        let session = port.session()?;
        Ok(self.searcher()?.run_port(&session, &mut port, &mut self.stop())?)
    }
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let kept = args.search()?;
    let events = read(&kept.trace[..]).context("reading the trace back")?;
    let mut levels = Levels { vocabulary: kept.vocabulary.clone(), printed: Ok(()) };
    let _ = replay(&events, &mut levels);
    levels.printed?;
    line(format_args!("answer: {:?}", kept.text))?;
    line(report::compute(&kept.outcome.usage))?;
    let again = args.search_again(&kept)?;
    ensure!(again.beam == kept.outcome.beam, "the recording led to another beam: this is a bug");
    line(format_args!("the recording alone leads to the same beam of {}", again.beam.len()))?;
    keep(args.trace.as_deref(), &kept.trace)?;
    keep(args.recording.as_deref(), &kept.recording)?;
    args.run.write(&json!({ "text": kept.text, "outcome": kept.outcome, "events": events.len() }))
}

fn keep(path: Option<&Path>, lines: &[u8]) -> Result<()> {
    path.map_or(Ok(()), |path| save(path, lines))
}
