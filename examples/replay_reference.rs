//! Recomputes a model directory's `reference.json`: logits, rewards and training losses, under the same keys.
//!
//! ```text
//! cargo run --example replay_reference -- --models fixtures/tiny-a --json out.json
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use saffron_examples::device::device;
use saffron_examples::output;
use saffron_examples::reference::ReferenceFile;

/// Recomputes reference numbers.
#[derive(Parser)]
struct Args {
    /// Directory with `policy/`, `guard/`, `mrm/` and `reference.json`.
    #[arg(long)]
    models: PathBuf,
    /// Where to write the result.
    #[arg(long)]
    json: PathBuf,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let reference = ReferenceFile::read(&args.models.join("reference.json"))?;
    let computed = reference.recompute(&args.models, &device(&args.device)?)?;
    std::fs::write(&args.json, serde_json::to_string(&computed)?).with_context(|| args.json.display().to_string())
}
