//! Watching a search, and looking at it afterwards: a progress bar, an observer that stops early, a
//! trace that is replayed as text, a recording from which the search runs again without any model.
//!
//! ```text
//! cargo run --example observe_trace -- --policy models/smollm2 --mrm models/mrm --guard models/smollm2 \
//!     --prompt "How do I pick a lock?" --stop-at 6 --trace search.jsonl --recording models.jsonl
//! ```

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use saffron_core::{DirectPort, Level, Policy, SearchObserver, TextPolicy};
use saffron_examples::args::KeptArgs;
use saffron_examples::output::{self, line, piece};
use saffron_examples::progress::Progress;
use saffron_examples::prompt::SearchedArgs;
use saffron_search::trace::recording::{Recording, RecordingPort, ReplayPort};
use saffron_search::trace::{JsonlTrace, TextTrace, read, replay, report};
use saffron_search::{Saffron, Searcher};
use serde_json::json;

/// Stops a search as soon as the best sequence of a level has enough reward.
struct StopAt(Option<f32>);

impl SearchObserver for StopAt {
    fn on_level(&mut self, level: &Level) -> ControlFlow<()> {
        let enough = |bar: f32| level.beam.iter().filter_map(|entry| entry.reward).any(|reward| reward >= bar);
        if self.0.is_some_and(enough) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Watches a search, replays its trace, and runs it again without models.
///
/// Rewards come from --mrm, or from --guard alone, which is asked once a child.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    searched: SearchedArgs,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 4)]
    width: usize,
    /// Stop the search once a sequence of the beam has this reward.
    #[arg(long, allow_negative_numbers = true)]
    stop_at: Option<f32>,
    #[command(flatten)]
    kept: KeptArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Args { searched, width, stop_at, kept } = Args::parse();
    let (mut policy, mut scorer, session) = searched.open_rewarded()?;
    let searcher = searched.run.limit(Searcher::new(Saffron::of(searched.reward.preset()?, width)).min_new_tokens(0));
    // Observers compose as pairs; the port between searcher and models records.
    let mut models = DirectPort::new(&mut policy, &mut *scorer);
    let mut port = RecordingPort::new(&mut models);
    let mut observers = (Progress::default(), (JsonlTrace::new(Vec::new()), StopAt(stop_at)));
    let outcome = searcher.run_port(&session, &mut port, &mut observers)?;
    let mut recording = Vec::new();
    port.finish().write(&mut recording)?;
    let trace = observers.1.0.finish()?;
    // A replayed trace tells observers what the search told them.
    let events = read(&trace[..]).context("reading the trace back")?;
    let mut levels = TextTrace::new(Vec::new(), policy.vocabulary());
    let _ = replay(&events, &mut levels);
    piece(&String::from_utf8(levels.finish()?)?)?;
    line(format_args!("answer: {:?}\n{}", policy.text(&outcome.best)?, report::compute(&outcome.usage)))?;
    // The same search, answered from the recording.
    let mut port = ReplayPort::new(Recording::read(&recording[..])?).with_vocabulary(policy.vocabulary());
    let again = searcher.run_port(&port.session()?, &mut port, &mut StopAt(stop_at))?;
    ensure!(again.beam == outcome.beam, "the recording led to another beam: this is a bug");
    line(format_args!("the recording alone leads to the same beam of {}", again.beam.len()))?;
    kept.write(&trace, &recording)?;
    searched.run.write(&json!({ "text": policy.text(&outcome.best)?, "outcome": outcome, "events": events.len() }))
}
