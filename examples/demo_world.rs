//! Writes the prompts of the embedded demo, and what its models are made from.
//!
//! ```text
//! cargo run --example demo_world -- --out runs/demo
//! ```
#![allow(clippy::print_stdout, reason = "a program that talks to its user")]

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use saffron_examples::demo::World;

/// Writes the demo's data.
#[derive(Parser)]
struct Args {
    /// Directory of the data.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let world = World::bramblewick()?;
    world.write_prompts(&args.out.join("prompts"))?;
    world.write_data(&args.out.join("data"))?;
    println!("{}", args.out.display());
    Ok(())
}
