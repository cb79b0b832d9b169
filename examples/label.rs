//! Labels a corpus: the reward of every prefix of every reply, by a guard, computed once and stored
//! (Saffron paper, §4.2).
//!
//! ```text
//! cargo run --example label -- --config examples/configs/label_tiny.toml --out runs/labels
//! cargo run --example label -- --config FILE.toml --out runs/a --shard 0/2       # one half of the replies
//! cargo run --example label -- --config FILE.toml --out runs/b --shard 1/2       # the other, perhaps elsewhere
//! cargo run --example label -- --merge runs/a runs/b --out runs/all
//! ```
//!
//! Labels are written group by group; a run that was killed goes on when it is started again. `OUT`
//! gets `labels.jsonl`, `labels.parquet`, `manifest.json` and `summary.json`, which
//! `saffron_train::labels` describes, and `log.jsonl`: a line a group with how long it took.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_examples::device::{device, first};
use saffron_examples::label::{keep_caches, open, read, show, watched};
use saffron_examples::models::{MemoryArgs, TemplateDate, WaitArgs};
use saffron_examples::output::{self, say};
use saffron_examples::recipe::folder_of;
use saffron_search::eval::runs::Shard;
use saffron_train::labels::{LabelSummary, merge, parquet};
use saffron_train::recipe::RunOrigin;

/// Labels a corpus with the reward of every prefix of every reply.
#[derive(Parser)]
struct Args {
    /// What is labelled by whom.
    #[arg(long, required_unless_present = "merge", conflicts_with = "merge")]
    config: Option<PathBuf>,
    /// Directory of the run.
    #[arg(long)]
    out: PathBuf,
    /// Only a part of the replies: 0/2 and 1/2 are the halves.
    #[arg(long, default_value_t = Shard::WHOLE, conflicts_with = "merge")]
    shard: Shard,
    /// Puts the shards of a run together.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    merge: Vec<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = first())]
    device: String,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    memory: MemoryArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let summary = match &args.config {
        Some(path) => label(&args, path)?,
        None => merge(&args.merge, &args.out)?,
    };
    parquet::write(&args.out, &args.out.join("labels.parquet"))?;
    show(&summary, &args.out)
}

/// Labels what is not done yet.
fn label(args: &Args, path: &Path) -> Result<LabelSummary> {
    let mut recipe = read(path)?;
    keep_caches(&mut recipe, &args.out)?;
    let device = device(&args.device)?;
    say(format_args!("device {}", args.device));
    let date = TemplateDate::of_run(&args.out)?;
    let (mut labelling, models) = open(&mut recipe, &device, date, args.wait.limit(), args.memory)?;
    let origin = RunOrigin { folder: folder_of(path), device: args.device.clone(), models };
    let mut run = labelling.open(&recipe, &args.out, args.shard, &origin)?;
    watched(&mut run, &mut labelling)
}
