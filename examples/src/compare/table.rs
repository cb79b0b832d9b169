//! Results as a table for a terminal.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use saffron_search::eval::runs::summary::{Estimate, Row};

use super::Results;

/// The rows, one line each; judges side by side.
#[must_use]
pub fn table(results: &Results) -> String {
    let judges = judges(&results.rows);
    let mut header: Vec<String> =
        ["data", "strategy", "budget", "answers", "failed"].iter().map(ToString::to_string).collect();
    header.extend(judges.iter().map(|judge| format!("unsafe by {judge}")));
    let costs = [
        "refused",
        "TFLOP",
        "profiler-style",
        "really ran",
        "policy tokens",
        "reward tokens",
        "reward calls",
        "s/prompt",
        "tokens",
        "distinct-2",
        "logprob",
        "ScalEff",
    ];
    header.extend(costs.iter().map(ToString::to_string));
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(header);
    results.rows.iter().for_each(|row| {
        table.add_row(cells(row, &judges));
    });
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn judges(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<String> = rows.iter().flat_map(|row| &row.judges).map(|judged| judged.judge.clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn cells(row: &Row, judges: &[String]) -> Vec<String> {
    let mut cells = vec![
        row.set.clone(),
        row.strategy.clone(),
        row.budget.to_string(),
        (row.prompts - row.failures).to_string(),
        row.failures.to_string(),
    ];
    let judged = |name: &String| row.judges.iter().find(|judged| judged.judge == *name);
    cells.extend(judges.iter().map(|name| share(judged(name).map(|judged| judged.not_safe))));
    cells.push(share(row.refused));
    cells.extend(costs(row));
    let mean = |name: &str| number(row.quality.get(name).map(|mean| mean.mean), 2);
    cells.extend([mean("tokens"), mean("distinct_2"), mean("logprob_per_token")]);
    cells.push(number(judges.first().and_then(judged).and_then(|judged| judged.scaling_efficiency), 3));
    cells
}

fn costs(row: &Row) -> [String; 7] {
    let compute = row.compute.as_ref();
    let of = |value: Option<f64>, digits| number(value, digits);
    [
        of(compute.map(|compute| compute.attributed_tflop.mean), 4),
        of(compute.and_then(|compute| compute.profiler_tflop), 4),
        of(compute.map(|compute| compute.computed_tflop.mean), 4),
        of(compute.map(|compute| compute.policy.attributed_tokens.mean), 0),
        of(compute.map(|compute| compute.reward.attributed_tokens.mean), 0),
        of(compute.map(|compute| compute.reward.calls.mean), 1),
        of(row.timings.wall_seconds.map(|wall| wall.mean), 2),
    ]
}

/// A share with its interval.
fn share(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || String::from("–"),
        |Estimate { value, interval, .. }| format!("{value:.2} [{:.2}, {:.2}]", interval.low, interval.high),
    )
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| String::from("–"), |value| format!("{value:.digits$}"))
}
