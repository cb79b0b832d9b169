//! Writes the prompts of the embedded demo, and what its models are made from.
//!
//! ```text
//! cargo run --example demo_world -- --out runs/demo
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_examples::demo::World;
use saffron_examples::output::{self, line};

/// Writes the demo's data.
#[derive(Parser)]
struct Args {
    /// Directory of the data.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let world = World::bramblewick()?;
    world.write_prompts(&args.out.join("prompts"))?;
    world.write_data(&args.out.join("data"))?;
    line(args.out.display())?;
    Ok(())
}
