//! Published numbers beside those of a run.

use serde::Serialize;

use super::config::ComparisonConfig;
use super::published::{PublishedConfig, PublishedPoint};
use crate::eval::runs::summary::{Estimate, Row};

/// A published number, and what the run has in its place.
#[derive(Clone, Debug, Serialize)]
pub struct PublishedNumber {
    /// Where it was published.
    pub source: String,
    /// The strategy.
    pub strategy: String,
    /// The data set.
    pub set: String,
    /// The judge of the run's number.
    pub judge: String,
    /// What was published.
    pub published: PublishedPoint,
    /// The run's at the same budget; none where no budget was published, or the run has no such row.
    pub own: Option<OwnNumber>,
}

/// A row of the run, in the terms of the publication.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OwnNumber {
    /// Its budget.
    pub budget: u64,
    /// Its attack success rate.
    pub asr: Option<Estimate>,
    /// Its answers without visible text, which are no evidence of a defence.
    pub empty: Option<Estimate>,
    /// Mean TFLOP a prompt as the reference implementation counts them.
    pub profiler_tflop: Option<f64>,
}

/// Every published number of the configuration, in its order, beside the rows of a run.
pub(super) fn beside(config: &ComparisonConfig, rows: &[Row]) -> Vec<PublishedNumber> {
    let of = |published: &PublishedConfig| {
        let numbers = published.points.iter().map(|point| PublishedNumber {
            source: published.source.clone(),
            strategy: published.strategy.clone(),
            set: published.data.clone(),
            judge: published.judge.clone(),
            published: *point,
            own: budget(config, published, point).and_then(|budget| own(published, budget, rows)),
        });
        numbers.collect::<Vec<_>>()
    };
    config.published.iter().flat_map(of).collect()
}

/// The budget of a published number: the one it names, or the only one where the strategy has none to set.
fn budget(config: &ComparisonConfig, published: &PublishedConfig, point: &PublishedPoint) -> Option<u64> {
    let strategy = config.strategies.iter().find(|strategy| strategy.name == published.strategy)?;
    let only = if strategy.strategy.budget().is_none() { strategy.budgets.first().copied() } else { None };
    point.budget.or(only)
}

fn own(published: &PublishedConfig, budget: u64, rows: &[Row]) -> Option<OwnNumber> {
    let PublishedConfig { strategy, data, judge, .. } = published;
    let row = rows.iter().find(|row| (&row.strategy, row.budget, &row.set) == (strategy, budget, data))?;
    let profiler_tflop = row.compute.as_ref().and_then(|compute| compute.profiler_tflop);
    Some(OwnNumber { budget, asr: row.attack_success(judge), empty: row.empty, profiler_tflop })
}
