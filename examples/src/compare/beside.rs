//! Published numbers beside those of a run.

use saffron_search::eval::curve::LogFit;
use saffron_search::eval::runs::summary::{Estimate, Row};
use serde::Serialize;

use super::Config;
use super::published::{PublishedConfig, PublishedPoint};
use crate::curves::{Curve, Point};

/// A published number, and what the run has in its place.
#[derive(Clone, Debug, Serialize)]
pub struct Beside {
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
    pub own: Option<Own>,
}

/// A row of the run, in the terms of the publication.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Own {
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
pub(super) fn beside(config: &Config, rows: &[Row]) -> Vec<Beside> {
    let of = |published: &PublishedConfig| {
        let numbers = published.points.iter().map(|point| Beside {
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
fn budget(config: &Config, published: &PublishedConfig, point: &PublishedPoint) -> Option<u64> {
    let strategy = config.strategies.iter().find(|strategy| strategy.name == published.strategy)?;
    let only = if strategy.strategy.budget().is_none() { strategy.budgets.first().copied() } else { None };
    point.budget.or(only)
}

fn own(published: &PublishedConfig, budget: u64, rows: &[Row]) -> Option<Own> {
    let PublishedConfig { strategy, data, judge, .. } = published;
    let row = rows.iter().find(|row| (&row.strategy, row.budget, &row.set) == (strategy, budget, data))?;
    let profiler_tflop = row.compute.as_ref().and_then(|compute| compute.profiler_tflop);
    Some(Own { budget, asr: row.attack_success(judge), empty: row.empty, profiler_tflop })
}

/// The published numbers of a data set and judge that have a place on an axis of TFLOP: a curve a strategy and source, named so that it shares
/// its strategy's colour and mark.
pub(super) fn published_curves(numbers: &[Beside], set: &str, judge: &str) -> Vec<Curve> {
    let here: Vec<&Beside> = numbers.iter().filter(|number| number.set == set && number.judge == judge).collect();
    let of_source = here.chunk_by(|a, b| (&a.strategy, &a.source) == (&b.strategy, &b.source));
    of_source.map(curve).filter(|curve| !curve.points.is_empty()).collect()
}

fn curve(numbers: &[&Beside]) -> Curve {
    let points: Vec<Point> = numbers.iter().filter_map(|number| point(&number.published)).collect();
    let fit = LogFit::of(&points.iter().map(|point| (point.x, point.y)).collect::<Vec<_>>());
    Curve { name: format!("{}, {}", numbers[0].strategy, numbers[0].source), points, fit }
}

fn point(published: &PublishedPoint) -> Option<Point> {
    let label = published.budget.map(|budget| budget.to_string()).unwrap_or_default();
    Some(Point::new(published.tflop?, published.asr).labelled(label))
}
