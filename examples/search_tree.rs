//! One prompt's search tree as a page for a browser and as a graph for Graphviz: what was taken,
//! what was passed over, and why. From a live search, or from the trace of an earlier one.
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
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use saffron_examples::args::SearchTreeArgs;
use saffron_examples::output::{self, line};
use saffron_examples::progress::Progress;
use saffron_search::trace::read;
use saffron_search::trace::tree::{SearchTreeView, dot, html, outline};
use saffron_search::{Saffron, Searcher};

/// Draws the tree of one search.
///
/// With --trace nothing but the policy's tokenizer is loaded. Else rewards come from --mrm, or from --guard alone.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    args: SearchTreeArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Args { args } = Args::parse();
    let vocabulary = args.policy.vocabulary()?;
    let view = match &args.trace {
        Some(path) => traced(path, args.candidates)?,
        None => live(&args)?,
    };
    let view = view.labelled_in(&*vocabulary);
    args.write(|| html(&view), || dot(&view))?;
    line(outline(&view))?;
    Ok(())
}

/// The view observes a search.
fn live(args: &SearchTreeArgs) -> Result<SearchTreeView> {
    let (mut opener, mut policy) = args.policy.open(&args.reward)?;
    let mut scorer = args.reward.open(&mut opener)?;
    let session = args.prompt()?.session(&policy)?;
    let searcher = Searcher::new(Saffron::of(args.reward.preset()?, args.width)).min_new_tokens(0);
    let searcher = searcher.max_new_tokens(args.max_new_tokens).seed(args.seed);
    let mut observers = (Progress::default(), SearchTreeView::with_candidates(args.candidates));
    searcher.run_observed(&session, &mut policy, &mut *scorer, &mut observers)?;
    Ok(observers.1)
}

/// The view is built from a trace.
fn traced(path: &Path, candidates: usize) -> Result<SearchTreeView> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let events = read(BufReader::new(file)).with_context(|| path.display().to_string())?;
    let view = SearchTreeView::of_trace(&events, candidates);
    view.with_context(|| format!("{}: a trace of a search begins with a start, this one has none", path.display()))
}
