//! Quality against compute for every strategy, in worlds where the truth can be computed.
//!
//! ```text
//! cargo run --release --example synthetic -- --out target/synthetic
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_examples::output;
use saffron_examples::synthetic::measure::{Settings, measure};
use saffron_examples::synthetic::report::write;

#[derive(Parser)]
#[command(about = "Runs every strategy in worlds where the truth can be computed")]
struct Arguments {
    /// Where results.json, table.md, quality.svg and asr.svg go.
    #[arg(long)]
    out: PathBuf,
    /// Number of worlds, a prompt each.
    #[arg(long, default_value_t = 200)]
    prompts: usize,
    /// Seed of worlds, noise and searches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Standard deviation of the reward models' errors, in units of quality.
    #[arg(long, default_value_t = 0.5)]
    noise: f64,
    /// How many tokens the multifurcation reward model has not seen.
    #[arg(long, default_value_t = 0)]
    unseen: usize,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Arguments { out, prompts, seed, noise, unseen } = Arguments::parse();
    write(&out, &measure(Settings { seed, prompts, noise, unseen })?)
}
