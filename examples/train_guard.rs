//! Makes a guard of any model: LoRA and a bias, trained on labelled replies and preference pairs, whole and cut short.
//!
//! ```text
//! cargo run --example train_guard -- --config examples/configs/train_guard_tiny.toml --out runs/guard
//! ```
//!
//! A run that was killed goes on when it is started again. `OUT` gets `metrics.jsonl` (a line a step and a validation), `checkpoints/`,
//! `model/` (the adapter in PEFT's layout with the head in ours and in the reference's), and `report.json` and `reliability.svg`: what the
//! guard is worth on held-out replies, asked as a search would ask it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use saffron_examples::calibration::reliability;
use saffron_examples::models::{Opener, dtype, needs_question};
use saffron_examples::output::{self, line, say};
use saffron_examples::prompt::save;
use saffron_examples::train::config::Recipe;
use saffron_examples::train::{GuardData, GuardRecipe, HeldOut, HeldOutReport, TrainArgs, Watch, network};
use saffron_mrm::text::TextTokenizer;
use saffron_mrm::{Base, GuardRewardModel, GuardTemplate, ModelOptions};
use saffron_search::eval::stats::{Share, Z95};
use saffron_train::objective::guard::{GuardCorpus, GuardObjective};
use saffron_train::{TrainRun, Trainer};

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
    let recipe = GuardRecipe::read(&args.config)?;
    say(format_args!("device {}", args.device));
    let mut opener = args.opener()?;
    let files = opener.read(&recipe.base)?;
    recipe.adapter.check(files.config())?;
    template(&recipe, files.tokenizer())?;
    let data = GuardData::read(&recipe, files.tokenizer())?;
    tell(&data)?;
    let base = opener.base(&recipe.base)?;
    let model = train(&args, &recipe, (&base, &opener), &data)?;
    let report = judge(&recipe, &base, &data, &model)?;
    tell_report(&report)?;
    save(&args.out.join("report.json"), &serde_json::to_vec_pretty(&report)?)?;
    reliability(&args.out.join("reliability.svg"), &report.whole, "probability of safe, and how often it was")?;
    line(args.out.join("report.json").display())?;
    Ok(())
}

/// Trains what is not trained yet; gives the directory of the adapter.
fn train(
    args: &TrainArgs,
    recipe: &GuardRecipe,
    (base, opener): (&Base, &Opener),
    data: &GuardData,
) -> Result<PathBuf> {
    let template = template(recipe, base.tokenizer())?;
    let together = template.layout.text().is_some();
    let objective = GuardObjective::new(template);
    let trainer = Trainer::new(network(base, &recipe.base, &recipe.adapter)?, objective, recipe.optimizer)?;
    let paths = data.files.iter().chain(&recipe.adapter.from);
    let manifest = args.manifest(recipe, opener, paths, together)?;
    let run = TrainRun::open(&args.out, &manifest, trainer, recipe.run)?;
    let mut run = run.with_export_type(dtype(recipe.adapter.dtype));
    let corpus = GuardCorpus::new(data.train.clone(), recipe.prefixes, recipe.run.seed);
    let mut watch = Watch::default();
    let finished = run.train(&corpus, &data.validation, &mut watch)?;
    line(watch.finish(finished.steps))?;
    ensure!(finished.complete, "stopped after step {}; the same command goes on from there", finished.steps);
    let (model, step) = run.export()?;
    line(format_args!("{}: the adapter of step {step}", model.display()))?;
    Ok(model)
}

/// Scores all held-out replies with the guard that was written.
fn judge(recipe: &GuardRecipe, base: &Base, data: &GuardData, model: &Path) -> Result<HeldOutReport> {
    let template = template(recipe, base.tokenizer())?;
    let guard = GuardRewardModel::on(base, ModelOptions::default(), |_| Ok(template))?;
    let mut guard = guard.with_adapter(model)?;
    HeldOut::score(&mut guard, &data.held_out)?.report()
}

fn template(recipe: &GuardRecipe, tokenizer: &TextTokenizer) -> Result<GuardTemplate> {
    let Some(asked) = &recipe.question else {
        return GuardTemplate::llama_guard_3(tokenizer).with_context(|| needs_question(&recipe.base));
    };
    let parts = [&asked.prefix, &asked.infix, &asked.suffix].map(String::as_str);
    Ok(GuardTemplate::in_words(tokenizer, parts, [&asked.safe, &asked.not_safe])?)
}

fn tell(data: &GuardData) -> Result<()> {
    let GuardData { train, validation, held_out, cut_replies, cut_prompts, skipped, seen, .. } = data;
    line(format_args!(
        "{} examples to learn from, {} for validation, {} held out; {seen} more left out, which training has, too",
        train.len(),
        validation.len(),
        held_out.len()
    ))?;
    line(format_args!(
        "{cut_replies} replies and {cut_prompts} prompts were cut; {skipped} rows had no reply or no label"
    ))?;
    Ok(())
}

fn tell_report(report: &HeldOutReport) -> Result<()> {
    let whole = &report.whole;
    line(format_args!("held-out replies    {} ({} safe)", whole.n, whole.positives))?;
    line(format_args!("accuracy            {}", share(whole.accuracy)))?;
    line(format_args!("refusal phrases     {}", share(report.phrases)))?;
    if let Some(auroc) = &whole.auroc {
        let interval = auroc.interval.map(|interval| format!(" [{:.4}, {:.4}]", interval.low, interval.high));
        line(format_args!("AUROC               {:.4}{}", auroc.value, interval.unwrap_or_default()))?;
    }
    line(format_args!(
        "calibration error   {:.4}; Brier {:.4}, log loss {:.4}",
        whole.expected_calibration_error, whole.brier, whole.log_loss
    ))?;
    for (part, report) in &report.beginnings {
        let auroc = report.auroc.map_or(f64::NAN, |auroc| auroc.value);
        line(format_args!("first {part}           accuracy {}, AUROC {auroc:.4}", share(report.accuracy)))?;
    }
    Ok(())
}

fn share(share: Share) -> String {
    let interval = share.wilson(Z95);
    format!("{:.4} [{:.4}, {:.4}]", share.value().unwrap_or(f64::NAN), interval.low, interval.high)
}
