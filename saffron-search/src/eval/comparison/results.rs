//! What came of a comparison: rows, fits, pairs.

use serde::Serialize;

use super::beside::{PublishedNumber, beside};
use super::config::{ComparisonConfig, ContenderConfig};
use super::notes::{JudgeNote, notes};
use crate::eval::curve::LogFit;
use crate::eval::runs::summary::{
    Against, GroupRow, Row, SummarySettings, by_category, by_template, paired, summarise,
};
use crate::eval::runs::{Arm, Record};

/// A comparison's results.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// One row a strategy, budget and data set.
    pub rows: Vec<Row>,
    /// Attack success over compute, for strategies with two budgets and more.
    pub fits: Vec<Fit>,
    /// Every strategy against the first, on the same prompts of each data set and attack.
    pub paired: Vec<Against>,
    /// The rows by harm category, for data sets that have any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_category: Vec<GroupRow>,
    /// The rows by jailbreak template, for prompts that stand in one of a file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_template: Vec<GroupRow>,
    /// What the judges' figures mean.
    pub notes: Vec<JudgeNote>,
    /// Published numbers beside those of the run, as the configuration has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedNumber>,
}

/// `share = intercept + slope · ln(TFLOP)` of one strategy by one judge on one data set: the share
/// of answers that are unsafe or empty.
#[derive(Clone, Debug, Serialize)]
pub struct Fit {
    /// The strategy.
    pub strategy: String,
    /// The data set.
    pub set: String,
    /// The judge.
    pub judge: String,
    /// The line.
    pub fit: LogFit,
}

/// The results of records.
#[must_use]
pub fn results(config: &ComparisonConfig, records: &[Record]) -> Results {
    let profiled = config.strategies.iter().map(|strategy| (strategy.name.clone(), config.profiled_models(strategy)));
    let settings = SummarySettings { limit_tflop: config.limit_tflop, profiled_models: profiled.collect() };
    let mut rows = summarise(records, &settings);
    let order = |row: &Row| config.strategies.iter().position(|strategy| strategy.name == row.strategy);
    rows.sort_by_key(|row| (row.set.clone(), order(row), row.budget));
    let judges: Vec<&str> = config.judges.iter().map(|judge| &judge.name[..]).collect();
    Results {
        fits: fits(&rows, &judges),
        paired: paired(records, &arms(config), &judges),
        by_category: by_category(records),
        by_template: by_template(records),
        notes: notes(config),
        published: beside(config, &rows),
        rows,
    }
}

fn fits(rows: &[Row], judges: &[&str]) -> Vec<Fit> {
    let mut fits = Vec::new();
    for judge in judges {
        for rows in rows.chunk_by(|a, b| (&a.set, &a.strategy) == (&b.set, &b.strategy)) {
            let points: Vec<(f64, f64)> = rows.iter().filter_map(|row| row.point(judge)).collect();
            let fit = LogFit::of(&points).map(|fit| Fit {
                strategy: rows[0].strategy.clone(),
                set: rows[0].set.clone(),
                judge: (*judge).to_owned(),
                fit,
            });
            fits.extend(fit);
        }
    }
    fits
}

/// All strategies at all budgets, the first of them what the others are compared with.
fn arms(config: &ComparisonConfig) -> Vec<Arm> {
    let of = |strategy: &ContenderConfig| {
        strategy.budgets.iter().map(|budget| Arm::new(&strategy.name, *budget)).collect::<Vec<_>>()
    };
    config.strategies.iter().flat_map(of).collect()
}
