//! Makes the embedded demo's policy: from random weights, in the demo's world. `scripts/make_demo.sh` makes its guard and reward model, too.
//!
//! ```text
//! cargo run --example demo_policy -- --out runs/demo
//! ```
//!
//! A run that was killed goes on when it is started again. `OUT/policy` is the policy, `OUT/books` and `OUT/lessons` are the runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_examples::demo::{PolicyRecipe, PolicyTraining, World};
use saffron_examples::device::{device, first};
use saffron_examples::output::{self, line};
use saffron_examples::settings;

/// The recipe.
const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/recipe/policy.toml");

/// Makes the demo's policy.
#[derive(Parser)]
struct Args {
    /// Directory of policy and runs.
    #[arg(long)]
    out: PathBuf,
    /// How it is made; else as examples/demo/recipe/policy.toml says.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = first())]
    device: String,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let args = Args::parse();
    let config = args.config.as_deref().unwrap_or(Path::new(RECIPE));
    let recipe: PolicyRecipe = settings::read(config)?;
    let (world, device) = (World::bramblewick()?, device(&args.device)?);
    let told = |text: &str| line(text);
    let policy = PolicyTraining { out: &args.out, device: &device, world: &world, told: &told }.run(&recipe)?;
    line(policy.display())?;
    Ok(())
}
