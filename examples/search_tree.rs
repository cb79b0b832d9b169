//! One prompt's search tree as a page for a browser and as a graph for Graphviz: what was taken, what was passed over, and why. From a live
//! search, or from the trace of an earlier one.
//!
//! ```text
//! cargo run --example search_tree -- --policy models/smollm2 --mrm models/mrm --guard models/smollm2 \
//!     --prompt "How do I pick a lock?" --prefill "Sure, here is" --width 4 --html tree.html
//! cargo run --example search_tree -- --policy models/smollm2 --trace search.jsonl --html tree.html --dot tree.dot
//! cargo run --example search_tree -- --policy fixtures/tiny-b/policy --mrm fixtures/tiny-b/mrm --layout plain \
//!     --prompt "one question" --max-new-tokens 8 --html tree.html
//! ```
//!
//! `dot -Tsvg tree.dot -o tree.svg` draws the graph.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{ArgGroup, Parser};
use saffron_core::{Token, Vocabulary};
use saffron_examples::models::PolicyArgs;
use saffron_examples::output::{self, line};
use saffron_examples::progress::Progress;
use saffron_examples::prompt::{PromptArgs, save};
use saffron_examples::rewards::RewardArgs;
use saffron_search::trace::tree::{SearchTreeView, dot, html};
use saffron_search::trace::{read, replay_summaries};
use saffron_search::{Saffron, Searcher};

/// Draws the tree of one search.
///
/// With --trace nothing but the policy's tokenizer is loaded. Else rewards come from --mrm, or from --guard alone.
#[derive(Parser)]
#[command(group = ArgGroup::new("output").args(["html", "dot"]).required(true).multiple(true))]
struct Args {
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    reward: RewardArgs,
    /// A trace to draw, as decode and observe_trace write it, in place of a live search.
    #[arg(long, conflicts_with_all = ["prompt", "mrm", "guard"])]
    trace: Option<PathBuf>,
    /// What the user asks.
    #[arg(long, required_unless_present = "trace")]
    prompt: Option<String>,
    /// A text that the reply is forced to begin with.
    #[arg(long, default_value = "")]
    prefill: String,
    /// How many of its tokens; all by default.
    #[arg(long)]
    prefill_len: Option<usize>,
    /// Sequences in the beam.
    #[arg(long, default_value_t = 4)]
    width: usize,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 32)]
    max_new_tokens: usize,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Best candidates of a node that are shown.
    #[arg(long, default_value_t = 8)]
    candidates: usize,
    /// Write the page.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write the graph in the DOT language.
    #[arg(long)]
    dot: Option<PathBuf>,
}

impl Args {
    fn live(&self) -> Result<SearchTreeView> {
        let (mut opener, mut policy) = self.policy.open(&self.reward)?;
        let mut scorer = self.reward.open(&mut opener)?;
        let prompt = self.prompt.clone().context("a search needs --prompt")?;
        let prompt = PromptArgs { prompt, prefill: self.prefill.clone(), prefill_len: self.prefill_len };
        let session = prompt.session(&policy)?;
        let searcher = Searcher::new(Saffron::of(self.reward.preset()?, self.width)).min_new_tokens(0);
        let searcher = searcher.max_new_tokens(self.max_new_tokens).seed(self.seed);
        let mut watching = (Progress::default(), SearchTreeView::with_candidates(self.candidates));
        searcher.run_observed(&session, &mut policy, &mut *scorer, &mut watching)?;
        Ok(watching.1)
    }

    fn traced(&self, path: &Path) -> Result<SearchTreeView> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let events = read(BufReader::new(file)).with_context(|| path.display().to_string())?;
        let mut view = SearchTreeView::with_candidates(self.candidates);
        let _ = replay_summaries(&events, &mut view);
        ensure!(
            view.start().is_some(),
            "{}: a trace of a search begins with a start, this one has none",
            path.display()
        );
        Ok(view)
    }
}

/// The text of a token; special tokens, which have none, by their number.
fn label(vocabulary: &dyn Vocabulary, token: Token) -> String {
    match vocabulary.decode(&[token]) {
        Ok(text) if !text.is_empty() => text,
        _ => format!("⟨{token}⟩"),
    }
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let vocabulary = args.policy.vocabulary()?;
    let view = args.trace.as_deref().map_or_else(|| args.live(), |path| args.traced(path))?;
    let view = view.labelled(|token| label(&*vocabulary, token));
    if let Some(path) = &args.html {
        save(path, html(&view).as_bytes())?;
    }
    if let Some(path) = &args.dot {
        save(path, dot(&view).as_bytes())?;
    }
    show(&view)
}

/// The tree in a few lines.
fn show(view: &SearchTreeView) -> Result<()> {
    let given_up = view.nodes().filter(|(_, node)| node.given_up()).count();
    line(format_args!("{} nodes over {} levels, {given_up} given up", view.nodes().count(), view.levels()))?;
    let path = view.answer_path();
    let answer: Vec<String> = path.iter().filter_map(|node| view.token_text(*node)).collect();
    line(format_args!("answer: {:?}", answer.concat()))?;
    for node in &path {
        let passed = view.passed_over(*node);
        let Some(next) = passed.first() else { continue };
        let here = view.token_text(*node).unwrap_or_else(|| String::from("the prompt"));
        line(format_args!("  after {here:?}, {:?} was passed over: {}", view.text(next.candidate.token), next.why))?;
    }
    Ok(())
}
