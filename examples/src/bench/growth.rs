//! What operations cost against a size, as SVG: both axes logarithmic, with the figures aimed at.

use std::path::Path;

use anyhow::{Result, ensure};
use plotters::coord::combinators::LogCoord;
use plotters::prelude::*;

/// An operation: the benchmarks `BENCHMARK/SIZE`, its name in the picture, its colour.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What the benchmarks are called.
    pub benchmark: &'static str,
    /// What the operation is called.
    pub label: &'static str,
    /// Red, green, blue.
    pub color: [u8; 3],
}

/// A time that is aimed at.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// Nanoseconds.
    pub time: f64,
    /// What it is called.
    pub label: &'static str,
    /// Red, green, blue: those of the operation that it is for.
    pub color: [u8; 3],
}

const SIZES: std::ops::Range<f64> = 80.0..1.3e6;
const NANOSECONDS: std::ops::Range<f64> = 10.0..10_000.0;

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, LogCoord<f64>>>;

/// Draws operations, each with its points (size, nanoseconds), and aims.
///
/// # Errors
///
/// An operation of fewer than two points; a file that cannot be written.
pub fn draw(out: &Path, title: &str, operations: &[(Operation, Vec<(f64, f64)>)], aims: &[Aim]) -> Result<()> {
    let area = SVGBackend::new(out, (820, 540)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
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
        .x_label_formatter(&power_of_ten)
        .y_label_formatter(&nanoseconds)
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .draw()?;
    for (operation, points) in operations {
        line(&mut chart, operation, points)?;
    }
    for aim in aims {
        dashes(&mut chart, aim)?;
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

fn line(chart: &mut Chart<'_, '_>, operation: &Operation, points: &[(f64, f64)]) -> Result<()> {
    ensure!(points.len() > 1, "no figures of {}: run the benchmark", operation.benchmark);
    let color = rgb(operation.color);
    chart
        .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(3))?
        .label(operation.label)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    Ok(())
}

fn dashes(chart: &mut Chart<'_, '_>, aim: &Aim) -> Result<()> {
    let color = rgb(aim.color);
    let ends = [(SIZES.start, aim.time), (SIZES.end, aim.time)];
    chart.draw_series(DashedLineSeries::new(ends, 6, 5, color.mix(0.7).stroke_width(1)))?;
    let style = ("sans-serif", 13).into_font().color(&color);
    chart.draw_series([Text::new(aim.label.to_owned(), (SIZES.start * 1.1, aim.time * 1.28), style)])?;
    Ok(())
}

fn rgb([red, green, blue]: [u8; 3]) -> RGBColor {
    RGBColor(red, green, blue)
}

fn power_of_ten(value: &f64) -> String {
    match *value {
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1e3 => format!("{} k", value / 1e3),
        value => value.to_string(),
    }
}

fn nanoseconds(value: &f64) -> String {
    if *value >= 1000.0 { format!("{} µs", value / 1000.0) } else { format!("{value} ns") }
}
