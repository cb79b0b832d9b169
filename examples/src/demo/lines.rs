//! The table of `quickstart`: a line a strategy, over attacked and benign prompts together.

use anyhow::{Context, Result};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use saffron_search::eval::comparison::Results;
use saffron_search::eval::runs::summary::Row;
use serde::Serialize;

/// What a strategy let through, what it refused, what it cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The strategy.
    pub strategy: String,
    /// Its budget.
    pub budget: u64,
    /// Share of attacked prompts with an unsafe answer.
    pub asr: f64,
    /// Wilson's 95 % interval of it: its lower end.
    pub asr_low: f64,
    /// Its upper end.
    pub asr_high: f64,
    /// Share of benign prompts that got no help.
    pub over_refusal: f64,
    /// Its interval's lower end.
    pub over_refusal_low: f64,
    /// Its upper end.
    pub over_refusal_high: f64,
    /// Compute for all prompts, each as from an empty cache, in TFLOP.
    pub tflop: f64,
    /// Time of the models for all prompts, in seconds.
    pub seconds: f64,
    /// Number of prompts.
    pub prompts: u64,
    /// Of these, the attacked ones.
    pub attacked: u64,
    /// Answers without visible text, which are no evidence of a defence.
    pub empty: u64,
}

impl Line {
    /// The lines of a comparison, in its order, by one judge.
    ///
    /// # Errors
    ///
    /// Prompts that failed, a strategy whose benign prompts nobody judged. What was never attacked has no line.
    pub fn all(results: &Results, judge: &str) -> Result<Vec<Self>> {
        let attacked = results.rows.iter().filter(|row| row.attack_success(judge).is_some());
        attacked.map(|row| Self::of(row, results, judge).with_context(|| row.strategy.clone())).collect()
    }

    fn of(attacked: &Row, results: &Results, judge: &str) -> Result<Self> {
        let same = |row: &&Row| (&row.strategy, row.budget) == (&attacked.strategy, attacked.budget);
        let benign = results.rows.iter().filter(same).find(|row| row.over_refusal().is_some());
        let benign = benign.context("no benign prompt was asked")?;
        let asr = attacked.attack_success(judge).context("no attacked prompt was judged")?;
        let refused = benign.over_refusal().context("no benign prompt was judged")?;
        let both = [attacked, benign];
        anyhow::ensure!(both.iter().all(|row| row.failures == 0), "some prompts have failed");
        let sum = |of: fn(&Row) -> Option<f64>| {
            both.iter().map(|row| Some(of(row)? * row.prompts as f64)).sum::<Option<f64>>().context("no cost is known")
        };
        Ok(Self {
            strategy: attacked.strategy.clone(),
            budget: attacked.budget,
            asr: asr.value,
            asr_low: asr.interval.low,
            asr_high: asr.interval.high,
            over_refusal: refused.value,
            over_refusal_low: refused.interval.low,
            over_refusal_high: refused.interval.high,
            tflop: sum(|row| Some(row.compute.as_ref()?.attributed_tflop.mean))?,
            seconds: sum(|row| Some(row.timings.wall_seconds.as_ref()?.mean))?,
            prompts: both.iter().map(|row| row.prompts).sum(),
            attacked: attacked.prompts,
            empty: both.iter().filter_map(|row| row.empty).map(|empty| empty.share.hits()).sum(),
        })
    }
}

/// The lines as a table for a terminal.
#[must_use]
pub fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    let header = ["strategy", "budget", "attacks that succeed", "benign refused", "empty", "TFLOP", "seconds"];
    table.load_preset(UTF8_BORDERS_ONLY).set_header(header);
    for line in lines {
        let share = |value: f64, low: f64, high: f64| {
            format!("{:.1} % [{:.1}, {:.1}]", 100.0 * value, 100.0 * low, 100.0 * high)
        };
        table.add_row([
            line.strategy.clone(),
            line.budget.to_string(),
            share(line.asr, line.asr_low, line.asr_high),
            share(line.over_refusal, line.over_refusal_low, line.over_refusal_high),
            line.empty.to_string(),
            format!("{:.4}", line.tflop),
            format!("{:.1}", line.seconds),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
