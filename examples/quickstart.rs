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
use saffron_examples::compare::{open, read};
use saffron_examples::demo::trial::{run, tree};
use saffron_examples::demo::{Contrast, Line, table};
use saffron_examples::device::{device, first};
use saffron_examples::models::{MemoryArgs, TemplateDate, WaitArgs};
use saffron_examples::output::{self, line};
use saffron_examples::prompt::save;
use saffron_search::eval::comparison::{ComparisonConfig, prepare, results};
use saffron_search::trace::tree::html;
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
    let Args { json, out, config, device: name, wait } = Args::parse();
    let config = config.as_deref().unwrap_or(Path::new(CONFIG));
    let mut config = ComparisonConfig { keep_text: true, ..read(config)? };
    let judge = config.judges.first().context("a comparison has a judge")?.name.clone();
    let mut models = open(&mut config, &device(&name)?, TemplateDate::today(), wait.limit(), MemoryArgs::default())?;
    let prepared = prepare(&config, models.policy())?;
    let records = run(&prepared, &mut models)?;
    let lines = Line::all(&results(&config, &records), &judge)?;
    line(table(&lines))?;
    json.map_or(Ok(()), |path| save(&path, &serde_json::to_vec_pretty(&json!({ "strategies": lines }))?))?;
    let Some(contrast) = Contrast::find(&records, STRATEGIES, &judge) else {
        line("no attack won without a defence and lost with one, so there is no answer to show")?;
        return Ok(());
    };
    let session = &prepared.case(&contrast.prompt).context("the prompt is one of those that were asked")?.session;
    contrast.show(session)?;
    let (searcher, reward) = prepared.searcher(STRATEGIES[1]).context("the defence is one of the strategies")?;
    let page = html(&tree(searcher, reward, session, &mut models)?);
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let path = out.join("tree.html");
    save(&path, page.as_bytes())?;
    line(format_args!("its search tree: {}", path.display()))?;
    Ok(())
}
