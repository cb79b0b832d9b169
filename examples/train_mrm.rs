//! Trains a multifurcation reward model by partial supervision on token rewards that `label` wrote (Saffron paper, §4.2).
//!
//! ```text
//! cargo run --example label -- --config examples/configs/label_tiny.toml --out runs/labels
//! cargo run --example train_mrm -- --config examples/configs/train_mrm_tiny.toml --out runs/mrm
//! ```
//!
//! A run that was killed goes on when it is started again. `OUT` gets `metrics.jsonl` (a line a step and a validation), `checkpoints/`,
//! `model/` (the adapter in PEFT's layout, bias and mask in ours and in the reference's), and `report.json` and `calibration.svg`: how near
//! held-out rewards are met, as the paper's Fig. 4b has it.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use saffron_examples::calibration::scatter;
use saffron_examples::models::{Opener, dtype};
use saffron_examples::output::{self, line, say};
use saffron_examples::prompt::save;
use saffron_examples::train::config::Recipe;
use saffron_examples::train::{MrmData, MrmRecipe, TrainArgs, Watch, network};
use saffron_mrm::Base;
use saffron_mrm::text::TextLayout;
use saffron_search::eval::stats::Regression;
use saffron_train::{PartialSupervision, TrainRun, Trainer, unseen_tokens};

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
    let recipe = MrmRecipe::read(&args.config)?;
    say(format_args!("device {}", args.device));
    let mut opener = args.opener()?;
    let files = opener.read(&recipe.base)?;
    recipe.adapter.check(files.config())?;
    let layout = TextLayout::named(&recipe.layout, files.tokenizer())?.into();
    let data = MrmData::read(&recipe, &layout, files.config().vocab_size)?;
    tell(&data)?;
    let base = opener.base(&recipe.base)?;
    let mut run = open(&args, &recipe, (&base, &opener), &data)?;
    let mut watch = Watch::default();
    let finished = run.train(&data.train, &data.validation, &mut watch)?;
    line(watch.finish(finished.steps))?;
    ensure!(finished.complete, "stopped after step {}; the same command goes on from there", finished.steps);
    let (model, step) = run.export()?;
    line(format_args!("{}: the reward model of step {step}", model.display()))?;
    report(&args, &run, &data)
}

/// Begins the run, or takes it up.
fn open(
    args: &TrainArgs,
    recipe: &MrmRecipe,
    (base, opener): (&Base, &Opener),
    data: &MrmData,
) -> Result<TrainRun<PartialSupervision>> {
    let vocab_size = base.decoder().config().vocab_size;
    let unseen = unseen_tokens(&data.train, vocab_size)?;
    line(format_args!(
        "{} of {vocab_size} tokens are never rewarded: the reward model's unseen tokens",
        unseen.count()
    ))?;
    let network = network(base, &recipe.base, &recipe.adapter)?.with_unseen(unseen)?;
    let trainer = Trainer::new(network, PartialSupervision, recipe.optimizer)?;
    let paths = data.files.iter().chain(&recipe.adapter.from);
    let manifest = args.manifest(recipe, opener, paths, data.together)?;
    let run = TrainRun::open(&args.out, &manifest, trainer, recipe.run)?;
    Ok(run.with_export_type(dtype(recipe.adapter.dtype)))
}

/// Says how near the exported model comes to the held-out rewards.
fn report(args: &TrainArgs, run: &TrainRun<PartialSupervision>, data: &MrmData) -> Result<()> {
    if data.held_out.is_empty() {
        line("no prompt is held out: there is nothing to report on")?;
        return Ok(());
    }
    let (report, pairs) = run.judge(&data.held_out)?;
    tell_report(&report)?;
    save(&args.out.join("report.json"), &serde_json::to_vec_pretty(&report)?)?;
    scatter(&args.out.join("calibration.svg"), &pairs, &report, "reward met, against reward told")?;
    line(args.out.join("report.json").display())?;
    Ok(())
}

fn tell(data: &MrmData) -> Result<()> {
    let rewards =
        |samples: &[saffron_train::Sample]| samples.iter().map(|sample| sample.rewards().len()).sum::<usize>();
    line(format_args!("{} replies, {} rewards to learn from", data.train.len(), rewards(&data.train)))?;
    line(format_args!("{} replies, {} rewards for validation", data.validation.len(), rewards(&data.validation)))?;
    line(format_args!("{} replies, {} rewards held out", data.held_out.len(), rewards(&data.held_out)))?;
    line(format_args!("{} replies were cut, {} left nothing", data.cut, data.skipped))?;
    Ok(())
}

fn tell_report(report: &Regression) -> Result<()> {
    let percent = |share: saffron_search::eval::stats::Share| 100.0 * share.value().unwrap_or(f64::NAN);
    line(format_args!("held-out rewards    {} ({:.1} % below 0)", report.n, percent(report.unsafe_targets)))?;
    line(format_args!(
        "MAE, RMSE, bias     {:.3}, {:.3}, {:+.3}",
        report.mean_absolute_error, report.root_mean_square_error, report.bias
    ))?;
    let number = |value: Option<f64>| value.map_or_else(|| String::from("–"), |value| format!("{value:.3}"));
    line(format_args!("R², Pearson         {}, {}", number(report.r_squared), number(report.pearson)))?;
    line(format_args!("within 1, within 2  {:.1} %, {:.1} %", percent(report.within_one), percent(report.within_two)))?;
    line(format_args!("same sign           {:.1} %", percent(report.same_sign)))?;
    Ok(())
}
