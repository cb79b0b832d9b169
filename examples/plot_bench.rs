//! Draws what an operation of the trie costs against the number of stored nodes, from the figures that the benchmark `trie` left.
//!
//! ```text
//! cargo bench -p saffron-examples --bench trie -- "trie/size|trie/evict_64"
//! cargo run --example plot_bench -- --out docs/trie_cost.svg
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use plotters::coord::combinators::LogCoord;
use plotters::prelude::*;
use saffron_examples::output;
use serde::Deserialize;

#[derive(Parser)]
struct Arguments {
    /// Where criterion left its figures.
    #[arg(long, default_value = "target/criterion")]
    criterion: PathBuf,
    /// The picture.
    #[arg(long, default_value = "docs/trie_cost.svg")]
    out: PathBuf,
}

/// An operation: its benchmarks, all names that are this and a size, what it is called in the picture, and its colour.
struct Operation {
    benchmark: &'static str,
    label: &'static str,
    color: RGBColor,
}

const OPERATIONS: [Operation; 5] = [
    Operation {
        benchmark: "trie/size/insert_64",
        label: "store 64 tokens in a full cache",
        color: RGBColor(106, 61, 154),
    },
    Operation { benchmark: "trie/evict_64", label: "evict 64 tokens", color: RGBColor(200, 60, 40) },
    Operation { benchmark: "trie/size/match_64", label: "match 64 tokens", color: RGBColor(31, 120, 180) },
    Operation { benchmark: "trie/size/extend", label: "extend a leaf by a token", color: RGBColor(45, 140, 60) },
    Operation { benchmark: "trie/size/path", label: "slots of a sequence", color: RGBColor(120, 120, 120) },
];

/// What is aimed at, in nanoseconds, and the colour of the operation that it is for.
const AIMS: [(f64, &str, RGBColor); 2] =
    [(500.0, "aim: evict, match", RGBColor(200, 60, 40)), (100.0, "aim: extend", RGBColor(45, 140, 60))];

const SIZES: std::ops::Range<f64> = 80.0..1.3e6;
const NANOSECONDS: std::ops::Range<f64> = 10.0..10_000.0;

/// Number of nodes and nanoseconds.
type Point = (f64, f64);

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Names and medians, in nanoseconds, of the last run of all benchmarks below a directory.
fn medians(dir: &Path) -> Result<Vec<(String, f64)>> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("no figures in {}: run the benchmark", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.join("benchmark.json").is_file() && path.ends_with("new") {
            let benchmark: Benchmark = read(&path.join("benchmark.json"))?;
            let estimates: Estimates = read(&path.join("estimates.json"))?;
            found.push((benchmark.full_id, estimates.median.point_estimate));
        } else if path.is_dir() {
            found.extend(medians(&path)?);
        }
    }
    Ok(found)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// An operation's figures by size.
fn series(medians: &[(String, f64)], benchmark: &str) -> Vec<Point> {
    let size = |name: &str| name.strip_prefix(benchmark)?.strip_prefix('/')?.parse::<f64>().ok();
    let mut points: Vec<Point> = medians.iter().filter_map(|(name, time)| Some((size(name)?, *time))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, LogCoord<f64>>>;

fn power_of_ten(value: &f64, unit: &str) -> String {
    match *value {
        value if value >= 1e6 => format!("{} M{unit}", value / 1e6),
        value if value >= 1e3 => format!("{} k{unit}", value / 1e3),
        value => format!("{value} {unit}").trim_end().to_owned(),
    }
}

fn nanoseconds(value: &f64) -> String {
    if *value >= 1000.0 { format!("{} µs", value / 1000.0) } else { format!("{value} ns") }
}

fn draw(out: &Path, medians: &[(String, f64)]) -> Result<()> {
    let area = SVGBackend::new(out, (820, 540)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Cost of an operation against the size of the trie", ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(SIZES.log_scale(), NANOSECONDS.log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(RGBColor(240, 240, 240))
        .bold_line_style(RGBColor(215, 215, 215))
        .x_desc("nodes stored (of 64 tokens each)")
        .y_desc("median time")
        .x_label_formatter(&|value| power_of_ten(value, ""))
        .y_label_formatter(&nanoseconds)
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .draw()?;
    for operation in OPERATIONS {
        line(&mut chart, &operation, &series(medians, operation.benchmark))?;
    }
    for (time, label, color) in AIMS {
        aim(&mut chart, time, label, color)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(RGBColor(215, 215, 215))
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()?;
    Ok(())
}

fn line(chart: &mut Chart<'_, '_>, operation: &Operation, points: &[Point]) -> Result<()> {
    ensure!(points.len() > 1, "no figures of {}: run the benchmark", operation.benchmark);
    let color = operation.color;
    chart
        .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(3))?
        .label(operation.label)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    Ok(())
}

fn aim(chart: &mut Chart<'_, '_>, time: f64, label: &str, color: RGBColor) -> Result<()> {
    let ends = [(SIZES.start, time), (SIZES.end, time)];
    chart.draw_series(DashedLineSeries::new(ends, 6, 5, color.mix(0.7).stroke_width(1)))?;
    let style = ("sans-serif", 13).into_font().color(&color);
    chart.draw_series([Text::new(label.to_owned(), (SIZES.start * 1.1, time * 1.28), style)])?;
    Ok(())
}

fn main() -> ExitCode {
    output::run(program)
}

fn program() -> Result<()> {
    let Arguments { criterion, out } = Arguments::parse();
    draw(&out, &medians(&criterion)?)
}
