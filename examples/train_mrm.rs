//! Trains a multifurcation reward model by partial supervision on token rewards that `label` wrote
//! (Saffron paper, §4.2).
//!
//! ```text
//! cargo run --example label -- --config examples/configs/label_tiny.toml --out runs/labels
//! cargo run --example train_mrm -- --config examples/configs/train_mrm_tiny.toml --out runs/mrm
//! ```
//!
//! A run that was killed goes on when it is started again. `OUT` gets `metrics.jsonl` (a line a
//! step and a validation), `checkpoints/`, `model/` (the adapter in PEFT's layout, bias and mask in
//! ours and in the reference's), and `report.json` and `calibration.svg`: how near held-out rewards
//! are met, as the paper's Fig. 4b has it.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use saffron_examples::calibration::scatter;
use saffron_examples::output::{self, line, say};
use saffron_examples::prompt::save;
use saffron_examples::recipe::read;
use saffron_examples::train::{TrainArgs, show, train};
use saffron_train::recipe::{MrmData, MrmRecipe};

/// Trains a multifurcation reward model.
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
    let recipe: MrmRecipe = read(&args.config)?;
    say(format_args!("device {}", args.device));
    let mut opener = args.opener()?;
    let files = opener.read(&recipe.base)?;
    recipe.check(files.config(), files.tokenizer())?;
    let (layout, vocab_size) = (recipe.context_layout(files.tokenizer())?, files.config().vocab_size);
    let data = MrmData::read(&recipe, &layout, vocab_size)?;
    show::mrm_data(&data)?;
    opener.fit_training(&recipe.base)?;
    let base = opener.base(&recipe.base)?;
    show::unseen(&data.unseen(vocab_size)?)?;
    let mut run = recipe.open(&base, &data, &args.out, &args.origin(&opener)?)?;
    train(&mut run, &data.train, &data.validation, "the reward model")?;
    if data.held_out.is_empty() {
        line("no prompt is held out: there is nothing to report on")?;
        return Ok(());
    }
    let (report, pairs) = run.judge(&data.held_out)?;
    show::mrm_report(&report)?;
    save(&args.out.join("report.json"), &serde_json::to_vec_pretty(&report)?)?;
    scatter(&args.out.join("calibration.svg"), &pairs, &report, "reward met, against reward told")?;
    line(args.out.join("report.json").display())?;
    Ok(())
}
