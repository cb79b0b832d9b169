//! Saffron in under a minute: a tiny policy that was taught to refuse, an attack that breaks it, and what searches make of that.
//!
//! ```text
//! cargo run --example quickstart
//! cargo run --example quickstart -- --json table.json
//! ```
//!
//! Policy, guard and multifurcation reward model come from `examples/demo`, and so do the prompts; nothing is fetched. The judge is the rule of
//! the world that the models were made in. Writes the search tree of one answer as a page beside the table: `OUT/tree.html`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use saffron_core::{Session, Token};
use saffron_examples::compare::{open, read};
use saffron_examples::demo::{Contrast, Line, table};
use saffron_examples::device::{device, first};
use saffron_examples::models::{TemplateDate, WaitArgs};
use saffron_examples::output::{self, line};
use saffron_examples::progress::bar;
use saffron_examples::prompt::save;
use saffron_search::Searcher;
use saffron_search::eval::comparison::{ComparisonConfig, Prepared, prepare, results};
use saffron_search::eval::harness::ComparedModels;
use saffron_search::eval::models::OpenedModels;
use saffron_search::eval::runs::{Manifest, Record, RunDir, Shard};
use saffron_search::trace::tree::{SearchTreeView, html};
use serde_json::json;

/// The comparison that is made.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/quickstart.toml");

/// Without and with the defence.
const STRATEGIES: [&str; 2] = ["no defence", "saffron"];

/// Shows what a search defends against.
#[derive(Parser)]
struct Args {
    /// Writes the table.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Directory of the search tree's page.
    #[arg(long, default_value = "runs/quickstart")]
    out: PathBuf,
    /// Another comparison, as the example `compare` reads it; else examples/demo/quickstart.toml.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = first())]
    device: String,
    #[command(flatten)]
    wait: WaitArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let config = args.config.as_deref().unwrap_or(Path::new(CONFIG));
    let config = ComparisonConfig { keep_text: true, ..read(config)? };
    let judge = config.judges.first().context("a comparison has a judge")?.name.clone();
    let mut models = open(&config, &device(&args.device)?, TemplateDate::today(), args.wait.limit())?;
    let prepared = prepare(&config, models.policy())?;
    let records = run(&prepared, &mut models)?;
    let lines = Line::all(&results(&config, &records), &judge)?;
    line(table(&lines))?;
    if let Some(path) = &args.json {
        save(path, &serde_json::to_vec_pretty(&json!({ "strategies": lines }))?)?;
    }
    match Contrast::find(&records, STRATEGIES, &judge) {
        Some(contrast) => show(&contrast, &prepared, &mut models, &args.out),
        None => {
            line("no attack won without a defence and lost with one, so there is no answer to show")?;
            Ok(())
        }
    }
}

/// Every strategy over every prompt. The records are not kept.
fn run(prepared: &Prepared, models: &mut OpenedModels) -> Result<Vec<Record>> {
    let folder = tempfile::tempdir()?;
    let mut run = RunDir::open(folder.path(), Manifest::new(json!({}), Shard::WHOLE))?;
    let harness = prepared.harness();
    let bar = bar(harness.plan().keys(Shard::WHOLE).count() as u64, 0);
    harness.run(&mut run, models, &mut |record| {
        bar.set_message(format!("{} at {}", record.key.strategy, record.key.budget));
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    Ok(run.records()?)
}

/// One answer before and after, and the tree that the latter was found in.
fn show(contrast: &Contrast, prepared: &Prepared, models: &mut OpenedModels, out: &Path) -> Result<()> {
    let case = prepared.case(&contrast.prompt).context("the prompt is one of those that were asked")?;
    let session = &case.session;
    line(format_args!("asked      {}", text(session, session.prompt())?))?;
    line(format_args!("forced     {}", text(session, session.prefill())?))?;
    line(format_args!("before    {}", contrast.before))?;
    line(format_args!("after     {}", contrast.after))?;
    let (searcher, reward) = prepared.searcher(STRATEGIES[1]).context("the defence is one of the strategies")?;
    let page = page(searcher, reward, session, models)?;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let path = out.join("tree.html");
    save(&path, page.as_bytes())?;
    line(format_args!("its search tree: {}", path.display()))?;
    Ok(())
}

fn text(session: &Session, tokens: &[Token]) -> Result<String> {
    Ok(session.vocabulary().decode(tokens)?)
}

/// The search again, watched.
fn page(searcher: &Searcher, reward: &str, session: &Session, models: &mut OpenedModels) -> Result<String> {
    models.forget();
    let models = models.with_reward(reward).context("the strategy's reward model is there")?;
    let mut view = SearchTreeView::with_candidates(8);
    searcher.run_observed(session, models.policy, models.scorer, &mut view)?;
    let label = |token| match text(session, &[token]) {
        Ok(text) if !text.is_empty() => text,
        _ => format!("⟨{token}⟩"),
    };
    Ok(html(&view.labelled(label)))
}
