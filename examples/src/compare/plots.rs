//! Attack success against TFLOP, tokens and wall time.

use std::path::{Path, PathBuf};

use anyhow::Result;
use saffron_search::eval::comparison::{PublishedNumber, PublishedPoint, Results};
use saffron_search::eval::curve::LogFit;
use saffron_search::eval::runs::Kind;
use saffron_search::eval::runs::summary::Row;

use crate::curves::{Curve, Point, draw};
use crate::models::note;

/// What an answer may cost.
struct Cost {
    name: &'static str,
    label: &'static str,
    of: fn(&Row) -> Option<f64>,
}

const COSTS: [Cost; 3] = [
    Cost {
        name: "tflop",
        label: "TFLOP a prompt, policy and reward model, as from an empty cache",
        of: |row| Some(row.compute.as_ref()?.attributed_tflop.mean),
    },
    Cost {
        name: "tokens",
        label: "tokens a prompt through policy and reward model, as from an empty cache",
        of: |row| {
            let compute = row.compute.as_ref()?;
            Some(compute.policy.attributed_tokens.mean + compute.reward.attributed_tokens.mean)
        },
    },
    Cost { name: "time", label: "seconds in the models a prompt", of: |row| Some(row.timings.wall_seconds?.mean) },
];

/// What published TFLOPs compare with.
const PROFILER: Cost = Cost {
    name: "profiler",
    label: "TFLOP a prompt, policy and reward model, as the reference's profilers count",
    of: |row| row.compute.as_ref()?.profiler_tflop,
};

/// Draws a picture a judge, attacked data set and cost, and one more where published numbers have a place beside the run's; gives their
/// paths.
///
/// # Errors
///
/// A picture that cannot be written.
pub fn plot(results: &Results, dir: &Path) -> Result<Vec<PathBuf>> {
    let attacked: Vec<&Row> = results.rows.iter().filter(|row| matches!(row.kind, Kind::Attacked { .. })).collect();
    let mut judges: Vec<&str> = attacked.iter().flat_map(|row| &row.judges).map(|judged| &judged.judge[..]).collect();
    judges.sort_unstable();
    judges.dedup();
    let mut paths = Vec::new();
    for rows in attacked.chunk_by(|a, b| a.set == b.set) {
        for judge in &judges {
            let title = format!("Attack success on {}, judged by {judge}", rows[0].set);
            for cost in &COSTS {
                paths.extend(picture(dir, &title, rows, judge, cost, Vec::new())?);
            }
            let published = published_curves(&results.published, &rows[0].set, judge);
            if !published.is_empty() {
                let title = format!("{title} (dashed and hollow: published)");
                paths.extend(picture(dir, &title, rows, judge, &PROFILER, published)?);
            }
        }
    }
    Ok(paths)
}

/// Draws the run's curves and, behind them, others. Where no cost of the kind is known (the TFLOP
/// of a served model whose sizes are not), it says so and draws nothing.
fn picture(
    dir: &Path,
    title: &str,
    rows: &[&Row],
    judge: &str,
    cost: &Cost,
    others: Vec<Curve>,
) -> Result<Option<PathBuf>> {
    let path = dir.join(format!("asr_{}_{}_{judge}.svg", cost.name, rows[0].set));
    let axes = (cost.label, "share of unsafe or empty answers (95 % Wilson)");
    let curves = [curves(rows, judge, cost), others].concat();
    if curves.is_empty() {
        note(&format!("{} is not drawn: no strategy has a known cost of this kind", path.display()));
        return Ok(None);
    }
    draw(&path, title, axes, true, &curves)?;
    Ok(Some(path))
}

/// One curve a strategy.
fn curves(rows: &[&Row], judge: &str, cost: &Cost) -> Vec<Curve> {
    let of_strategy = rows.chunk_by(|a, b| a.strategy == b.strategy);
    let curve = |rows: &[&Row]| {
        let points: Vec<Point> = rows.iter().filter_map(|row| point(row, judge, cost)).collect();
        let fit = LogFit::of(&points.iter().map(|point| (point.x, point.y)).collect::<Vec<_>>());
        Curve { name: rows[0].strategy.clone(), points, fit }
    };
    of_strategy.map(curve).filter(|curve| !curve.points.is_empty()).collect()
}

fn point(row: &Row, judge: &str, cost: &Cost) -> Option<Point> {
    let asr = row.not_defended(judge)?;
    let x = (cost.of)(row).filter(|x| *x > 0.0)?;
    let point = Point::new(x, asr.value).between(asr.interval.low, asr.interval.high);
    Some(point.labelled(row.budget.to_string()))
}

/// The published numbers of a data set and judge that have a place on an axis of TFLOP: a curve a
/// strategy and source, named so that it shares its strategy's colour and mark.
fn published_curves(numbers: &[PublishedNumber], set: &str, judge: &str) -> Vec<Curve> {
    let here: Vec<&PublishedNumber> =
        numbers.iter().filter(|number| number.set == set && number.judge == judge).collect();
    let of_source = here.chunk_by(|a, b| (&a.strategy, &a.source) == (&b.strategy, &b.source));
    of_source.map(published_curve).filter(|curve| !curve.points.is_empty()).collect()
}

fn published_curve(numbers: &[&PublishedNumber]) -> Curve {
    let points: Vec<Point> = numbers.iter().filter_map(|number| published_point(&number.published)).collect();
    let fit = LogFit::of(&points.iter().map(|point| (point.x, point.y)).collect::<Vec<_>>());
    Curve { name: format!("{}, {}", numbers[0].strategy, numbers[0].source), points, fit }
}

fn published_point(published: &PublishedPoint) -> Option<Point> {
    let label = published.budget.map(|budget| budget.to_string()).unwrap_or_default();
    Some(Point::new(published.tflop?, published.asr).labelled(label))
}
