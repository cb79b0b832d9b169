//! Runs every prompt of a case file and writes the same file with its own levels and outputs, for anyone to compare.
//!
//! ```text
//! cargo run --example replay_case -- --models fixtures/tiny-a --case fixtures/cases/A1.json --json out.json
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use saffron_examples::cases::CaseFile;
use saffron_examples::device::device;
use saffron_examples::output;
use saffron_kvtrie::Reuse;
use saffron_mrm::ModelOptions;

/// Replays the searches of a case file with the reference preset.
#[derive(Parser)]
struct Args {
    /// Directory with `policy/`, `guard/` and `mrm/`.
    #[arg(long)]
    models: PathBuf,
    /// The case file.
    #[arg(long)]
    case: PathBuf,
    /// Where to write the result.
    #[arg(long)]
    json: PathBuf,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
    /// Compute every context from its first token.
    #[arg(long)]
    no_cache: bool,
    /// Contexts per forward pass; all of a step by default.
    #[arg(long)]
    max_batch: Option<usize>,
    /// Only the first so many prompts; all by default.
    #[arg(long)]
    prompts: Option<usize>,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let device = device(&args.device)?;
    let options = ModelOptions {
        reuse: if args.no_cache { Reuse::Nothing } else { Reuse::Cached },
        max_batch: args.max_batch.unwrap_or(usize::MAX),
        ..ModelOptions::default()
    };
    let mut file = CaseFile::read(&args.case)?;
    file.cases.truncate(args.prompts.unwrap_or(usize::MAX));
    let mut models = file.open_models(&args.models, &device, options)?;
    let replayed = file.cases.iter().map(|case| file.replay(case, &mut models)).collect::<Result<_>>()?;
    file.cases = replayed;
    let text = serde_json::to_string(&file)?;
    std::fs::write(&args.json, text).with_context(|| args.json.display().to_string())
}
