//! Makes a guard of any model: LoRA and a bias, trained on labelled replies and preference pairs,
//! whole and cut short.
//!
//! ```text
//! cargo run --example train_guard -- --config examples/configs/train_guard_tiny.toml --out runs/guard
//! ```
//!
//! A run that was killed goes on when it is started again. `OUT` gets `metrics.jsonl` (a line a
//! step and a validation), `checkpoints/`, `model/` (the adapter in PEFT's layout with the head in
//! ours and in the reference's), and `report.json` and `reliability.svg`: what the guard is worth
//! on held-out replies, asked as a search would ask it.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_examples::calibration::reliability;
use saffron_examples::output::{self, line, say};
use saffron_examples::prompt::save;
use saffron_examples::recipe::read;
use saffron_examples::train::{TrainArgs, show, train};
use saffron_train::recipe::{GuardData, GuardRecipe};

/// Makes a guard of any model.
#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: TrainArgs,
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Program { args } = Program::parse();
    let recipe: GuardRecipe = read(&args.config)?;
    say(format_args!("device {}", args.device));
    let mut opener = args.opener()?;
    let files = opener.read(&recipe.base)?;
    recipe.check(files.config(), files.tokenizer())?;
    let data = GuardData::read(&recipe, files.tokenizer())?;
    show::guard_data(&data)?;
    opener.fit_training(&recipe.base)?;
    let base = opener.base(&recipe.base)?;
    let mut run = recipe.open(&base, &data, &args.out, &args.origin(&opener)?)?;
    let adapter = train(&mut run, &recipe.corpus(&data), &data.validation, "the adapter")?;
    let report = recipe.judge(&base, &adapter, &data)?;
    show::guard_report(&report)?;
    save(&args.out.join("report.json"), &serde_json::to_vec_pretty(&report)?)?;
    reliability(&args.out.join("reliability.svg"), &report.whole, "probability of safe, and how often it was")?;
    line(args.out.join("report.json").display())?;
    Ok(())
}
