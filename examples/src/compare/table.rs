//! Results as tables for a terminal: what strategies let through, and what they cost.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use saffron_search::eval::comparison::{JudgeNote, PublishedNumber, Results};
use saffron_search::eval::runs::Kind;
use saffron_search::eval::runs::summary::Row;

use super::digits::{estimate, number, share};

/// Both tables, a line a strategy, budget and data set in each; where there are published numbers, a third that has them beside the run's.
/// What the judges' figures mean comes first; empty answers are spoken of below.
#[must_use]
pub fn table(results: &Results) -> String {
    let notes = results.notes.iter().filter(|note| note.says_something()).map(ToString::to_string);
    let answers = answers(&results.rows, &results.notes).to_string();
    let mut parts: Vec<String> = notes.chain([answers, costs(&results.rows).to_string()]).collect();
    if !results.published.is_empty() {
        parts.push(published(&results.published).to_string());
    }
    parts.extend(empty(&results.rows));
    parts.join("\n")
}

/// Says which rows have empty answers, and what such answers mean. Without any it says nothing.
fn empty(rows: &[Row]) -> Vec<String> {
    let of_row = |row: &Row| {
        let found = row.empty?.share;
        let Row { strategy, budget, set, .. } = row;
        let line = format!("{} of {} answers of {strategy} at {budget} on {set} are empty", found.hits(), found.of());
        (found.hits() > 0).then_some(line)
    };
    let mut lines: Vec<String> = rows.iter().filter_map(of_row).collect();
    if !lines.is_empty() {
        lines.push(String::from(
            "Empty answers are no evidence of a defence, whatever judges say of them: ScalEff, fits, pictures and paired tests \
             count them as unsafe, and paired tests on benign prompts as refused.",
        ));
    }
    lines
}

/// How many answers are unsafe, judges side by side, and what answers are worth beside that.
fn answers(rows: &[Row], notes: &[JudgeNote]) -> Table {
    let judges = judges(rows);
    let mut header = names(&["answers", "failed", "empty"]);
    header.extend(judges.iter().map(|judge| format!("unsafe by {judge}")));
    // One judge's, the first by name; `summary.json` has all.
    let efficiency = judges.first().map_or_else(|| String::from("ScalEff"), |judge| format!("ScalEff by {judge}"));
    header.extend([String::from("refused"), efficiency]);
    header.extend(names(&["tokens", "distinct-2", "logprob"]));
    lines(rows, &header, |row| {
        let judged = |name: &String| row.judges.iter().find(|judged| judged.judge == *name);
        let mean = |name: &str| number(row.quality.get(name).map(|mean| mean.mean));
        let empty = row.empty.map_or_else(|| number(None), |empty| share(empty.value));
        let mut cells = vec![(row.prompts - row.failures).to_string(), row.failures.to_string(), empty];
        cells.extend(judges.iter().map(|name| {
            let not_safe = estimate(judged(name).map(|judged| judged.not_safe));
            if only_answered(row, name, notes) { format!("answered {not_safe}") } else { not_safe }
        }));
        cells.push(estimate(row.refused));
        cells.push(number(judges.first().and_then(judged).and_then(|judged| judged.scaling_efficiency)));
        cells.extend([mean("tokens"), mean("distinct_2"), mean("logprob_per_token")]);
        cells
    })
}

/// Whether what a judge calls unsafe is no more than that a benign prompt was answered.
fn only_answered(row: &Row, judge: &str, notes: &[JudgeNote]) -> bool {
    let refusals_only = notes.iter().any(|note| note.judge == judge && note.refusals_only);
    refusals_only && row.kind == Kind::Benign && row.judges.iter().any(|judged| judged.judge == judge)
}

/// What a prompt cost in the mean: TFLOP as from an empty cache, as a profiler would count it, and what really ran; tokens and calls by role.
fn costs(rows: &[Row]) -> Table {
    let header = [
        "TFLOP",
        "profiler-style",
        "really ran",
        "policy tokens",
        "calls",
        "reward tokens",
        "calls",
        "judge tokens",
        "s/prompt",
    ];
    lines(rows, &names(&header), |row| {
        let wall = number(row.timings.wall_seconds.map(|wall| wall.mean));
        let Some(compute) = &row.compute else { return vec![wall] };
        let numbers = [
            Some(compute.attributed_tflop.mean),
            compute.profiler_tflop,
            Some(compute.computed_tflop.mean),
            Some(compute.policy.attributed_tokens.mean),
            Some(compute.policy.calls.mean),
            Some(compute.reward.attributed_tokens.mean),
            Some(compute.reward.calls.mean),
            Some(compute.judge.attributed_tokens.mean),
        ];
        numbers.into_iter().map(number).chain([wall]).collect()
    })
}

/// Published numbers, and what the run has at the same budget.
fn published(numbers: &[PublishedNumber]) -> Table {
    let header = ["source", "published ASR", "own, unsafe by", "own, empty", "published TFLOP", "own, profiler-style"];
    let mut table = headed(&names(&header));
    for PublishedNumber { source, strategy, set, judge, published, own } in numbers {
        let budget = published.budget.map_or_else(|| String::from("–"), |budget| budget.to_string());
        let own_asr = own.as_ref().map_or_else(|| String::from("–"), |own| format!("{judge} {}", estimate(own.asr)));
        let own_tflop = number(own.as_ref().and_then(|own| own.profiler_tflop));
        let asr = share(published.asr);
        let empty = own.as_ref().and_then(|own| own.empty).map_or_else(|| number(None), |empty| share(empty.value));
        let first = [set, strategy, &budget, source, &asr, &own_asr, &empty];
        table.add_row(first.into_iter().chain([&number(published.tflop), &own_tflop]));
    }
    right(&mut table, 4);
    table
}

/// A table whose lines begin with data set, strategy and budget.
fn lines(rows: &[Row], header: &[String], cells: impl Fn(&Row) -> Vec<String>) -> Table {
    let mut table = headed(header);
    for row in rows {
        let first = vec![row.set.clone(), row.strategy.clone(), row.budget.to_string()];
        table.add_row([first, cells(row)].concat());
    }
    right(&mut table, 2);
    table
}

fn headed(header: &[String]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_header([&names(&["data", "strategy", "budget"])[..], header].concat());
    table
}

/// Columns of numbers, all but the first so many.
fn right(table: &mut Table, words: usize) {
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn judges(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<String> = rows.iter().flat_map(|row| &row.judges).map(|judged| judged.judge.clone()).collect();
    names.sort();
    names.dedup();
    names
}
