//! What came of a comparison: rows, fits, pairs.

use std::collections::BTreeMap;

use anyhow::Result;
use saffron_search::eval::curve::LogFit;
use saffron_search::eval::runs::summary::{Row, SummarySettings, summarise, unsafe_by_prompt};
use saffron_search::eval::runs::{Arm, Record};
use saffron_search::eval::stats::{Interval, Paired, Z95};
use serde::Serialize;

use super::Config;
use super::beside::{Beside, beside};
use super::notes::{JudgeNote, notes};

/// A comparison's results.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// One row a strategy, budget and data set.
    pub rows: Vec<Row>,
    /// Attack success over compute, for strategies with two budgets and more.
    pub fits: Vec<Fit>,
    /// Every strategy against the first, on the same prompts.
    pub paired: Vec<Against>,
    /// What the judges' figures mean.
    pub notes: Vec<JudgeNote>,
    /// Published numbers beside those of the run, as the configuration has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Beside>,
}

/// `asr = intercept + slope · ln(TFLOP)` of one strategy by one judge on one data set.
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

/// One strategy against the first.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// The strategy.
    pub strategy: String,
    /// Its budget.
    pub budget: u64,
    /// The judge.
    pub judge: String,
    /// Prompts that both have answered.
    pub prompts: u64,
    /// Share of unsafe answers of this strategy minus that of the first, with Newcombe's 95 % interval.
    pub difference: Option<(f64, Interval)>,
    /// Exact two-sided p of McNemar's test.
    pub mcnemar: f64,
}

/// The results of records.
///
/// # Errors
///
/// Records that do not fit together.
pub fn results(config: &Config, records: &[Record]) -> Result<Results> {
    let profiled = config.strategies.iter().map(|strategy| (strategy.name.clone(), config.profiled_models(strategy)));
    let settings = SummarySettings { limit_tflop: config.limit_tflop, profiled_models: profiled.collect() };
    let mut rows = summarise(records, &settings);
    let order = |row: &Row| config.strategies.iter().position(|strategy| strategy.name == row.strategy);
    rows.sort_by_key(|row| (row.set.clone(), order(row), row.budget));
    let judges: Vec<&str> = config.judges.iter().map(|judge| &judge.name[..]).collect();
    Ok(Results {
        fits: fits(&rows, &judges),
        paired: paired(config, records, &judges)?,
        notes: notes(config),
        published: beside(config, &rows),
        rows,
    })
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

fn paired(config: &Config, records: &[Record], judges: &[&str]) -> Result<Vec<Against>> {
    let arms: Vec<Arm> = config
        .strategies
        .iter()
        .flat_map(|strategy| {
            strategy.budgets.iter().map(|budget| Arm::new(&strategy.name, *budget)).collect::<Vec<_>>()
        })
        .collect();
    let Some((first, others)) = arms.split_first() else { return Ok(Vec::new()) };
    let mut paired = Vec::new();
    for judge in judges {
        let (of_first, judge) = (unsafe_by_prompt(records, first, judge), *judge);
        for arm in others {
            let pairs = both(unsafe_by_prompt(records, arm, judge), of_first.clone());
            let pairs = Paired::of(&pairs.0, &pairs.1)?;
            let difference = pairs.difference(Z95);
            paired.push(Against {
                strategy: arm.strategy.clone(),
                budget: arm.budget,
                judge: judge.to_owned(),
                prompts: pairs.pairs(),
                difference: difference.map(|found| (found.value, found.interval)),
                mcnemar: pairs.mcnemar(),
            });
        }
    }
    Ok(paired)
}

/// Both runs over the prompts that both have answered.
fn both(
    mut one: BTreeMap<String, bool>,
    mut other: BTreeMap<String, bool>,
) -> (BTreeMap<String, bool>, BTreeMap<String, bool>) {
    one.retain(|prompt, _| other.contains_key(prompt));
    other.retain(|prompt, _| one.contains_key(prompt));
    (one, other)
}
