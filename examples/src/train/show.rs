//! What the training programs print.

use anyhow::Result;
use saffron_core::TokenSet;
use saffron_search::eval::stats::{Regression, Share, Z95};
use saffron_train::Sample;
use saffron_train::recipe::{GuardData, HeldOutReport, MrmData};

use crate::output::line;

/// Prints what a guard learns from.
///
/// # Errors
///
/// Standard output that cannot be written, as for all of this module.
pub fn guard_data(data: &GuardData) -> Result<()> {
    let GuardData { train, validation, held_out, cut_replies, cut_prompts, skipped, seen, left_out, .. } = data;
    line(format_args!(
        "{} examples to learn from, {} for validation, {} held out; {seen} more left out, which training has, too",
        train.len(),
        validation.len(),
        held_out.len()
    ))?;
    line(format_args!(
        "{cut_replies} replies and {cut_prompts} prompts were cut; {skipped} rows had no reply or no label"
    ))?;
    match left_out.is_nothing() {
        true => Ok(()),
        false => Ok(line(format_args!("of the files were {left_out}"))?),
    }
}

/// Prints what a guard is worth.
///
/// # Errors
///
/// As [`guard_data`].
pub fn guard_report(report: &HeldOutReport) -> Result<()> {
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

/// Prints what a reward model learns from.
///
/// # Errors
///
/// As [`guard_data`].
pub fn mrm_data(data: &MrmData) -> Result<()> {
    let rewards = |samples: &[Sample]| samples.iter().map(|sample| sample.rewards().len()).sum::<usize>();
    line(format_args!("{} replies, {} rewards to learn from", data.train.len(), rewards(&data.train)))?;
    line(format_args!("{} replies, {} rewards for validation", data.validation.len(), rewards(&data.validation)))?;
    line(format_args!("{} replies, {} rewards held out", data.held_out.len(), rewards(&data.held_out)))?;
    line(format_args!("{} replies were cut, {} left nothing", data.cut, data.skipped))?;
    Ok(())
}

/// Prints how many tokens no sample rewards.
///
/// # Errors
///
/// As [`guard_data`].
pub fn unseen(unseen: &TokenSet) -> Result<()> {
    line(format_args!(
        "{} of {} tokens are never rewarded: the reward model's unseen tokens",
        unseen.count(),
        unseen.size()
    ))?;
    Ok(())
}

/// Prints how near a reward model comes to held-out rewards.
///
/// # Errors
///
/// As [`guard_data`].
pub fn mrm_report(report: &Regression) -> Result<()> {
    let percent = |share: Share| 100.0 * share.value().unwrap_or(f64::NAN);
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

fn share(share: Share) -> String {
    let interval = share.wilson(Z95);
    format!("{:.4} [{:.4}, {:.4}]", share.value().unwrap_or(f64::NAN), interval.low, interval.high)
}
