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
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use clap::Parser;
use saffron_examples::calibration::scatter;
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

fn main() -> Result<()> {
    let Program { args } = Program::parse();
    let recipe = MrmRecipe::read(&args.config)?;
    eprintln!("device {}", args.device);
    let (base, model) = args.open(&recipe.base)?;
    let layout = TextLayout::named(&recipe.layout, base.tokenizer())?.into();
    let data = MrmData::read(&recipe, &layout, base.decoder().config().vocab_size)?;
    tell(&data);
    let mut run = open(&args, &recipe, (&base, &model), &data)?;
    let mut watch = Watch::default();
    let finished = run.train(&data.train, &data.validation, &mut watch)?;
    println!("{}", watch.finish(finished.steps));
    ensure!(finished.complete, "stopped after step {}; the same command goes on from there", finished.steps);
    let (model, step) = run.export()?;
    println!("{}: the reward model of step {step}", model.display());
    report(&args, &run, &data)
}

/// Begins the run, or takes it up.
fn open(
    args: &TrainArgs,
    recipe: &MrmRecipe,
    (base, model): (&Base, &BTreeMap<String, String>),
    data: &MrmData,
) -> Result<TrainRun<PartialSupervision>> {
    let vocab_size = base.decoder().config().vocab_size;
    let unseen = unseen_tokens(&data.train, vocab_size)?;
    println!("{} of {vocab_size} tokens are never rewarded: the reward model's unseen tokens", unseen.count());
    let network = network(base, &recipe.base, &recipe.adapter)?.with_unseen(unseen)?;
    let trainer = Trainer::new(network, PartialSupervision, recipe.optimizer)?;
    let paths = data.files.iter().chain(&recipe.adapter.from);
    let manifest = args.manifest(recipe, model, paths, data.together)?;
    let run = TrainRun::open(&args.out, &manifest, trainer, recipe.run)?;
    Ok(run.with_export_type(recipe.adapter.dtype.into()))
}

/// Says how near the exported model comes to the held-out rewards.
fn report(args: &TrainArgs, run: &TrainRun<PartialSupervision>, data: &MrmData) -> Result<()> {
    if data.held_out.is_empty() {
        println!("no prompt is held out: there is nothing to report on");
        return Ok(());
    }
    let (report, pairs) = run.judge(&data.held_out)?;
    tell_report(&report);
    save(&args.out.join("report.json"), &serde_json::to_vec_pretty(&report)?)?;
    scatter(&args.out.join("calibration.svg"), &pairs, &report, "reward met, against reward told")?;
    println!("{}", args.out.join("report.json").display());
    Ok(())
}

fn tell(data: &MrmData) {
    let rewards =
        |samples: &[saffron_train::Sample]| samples.iter().map(|sample| sample.rewards().len()).sum::<usize>();
    println!("{} replies, {} rewards to learn from", data.train.len(), rewards(&data.train));
    println!("{} replies, {} rewards for validation", data.validation.len(), rewards(&data.validation));
    println!("{} replies, {} rewards held out", data.held_out.len(), rewards(&data.held_out));
    println!("{} replies were cut, {} left nothing", data.cut, data.skipped);
}

fn tell_report(report: &Regression) {
    let percent = |share: saffron_search::eval::stats::Share| 100.0 * share.value().unwrap_or(f64::NAN);
    println!("held-out rewards    {} ({:.1} % below 0)", report.n, percent(report.unsafe_targets));
    println!(
        "MAE, RMSE, bias     {:.3}, {:.3}, {:+.3}",
        report.mean_absolute_error, report.root_mean_square_error, report.bias
    );
    let number = |value: Option<f64>| value.map_or_else(|| String::from("–"), |value| format!("{value:.3}"));
    println!("R², Pearson         {}, {}", number(report.r_squared), number(report.pearson));
    println!("within 1, within 2  {:.1} %, {:.1} %", percent(report.within_one), percent(report.within_two));
    println!("same sign           {:.1} %", percent(report.same_sign));
}
