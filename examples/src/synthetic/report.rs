//! Results as files: JSON, a table, pictures.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::measure::{Measured, Results, Series};
use crate::curves::{Curve, Point, draw};

/// Writes `results.json`, `table.md`, `quality.svg` and `asr.svg` into a directory, which is made if need be.
///
/// # Errors
///
/// Files that cannot be written.
pub fn write(dir: &Path, results: &Results) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let save = |name: &str, text: String| {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    };
    save("results.json", serde_json::to_string_pretty(results)? + "\n")?;
    save("table.md", table(results)?)?;
    pictures(dir, results)
}

fn pictures(dir: &Path, results: &Results) -> Result<()> {
    let compute = "attributed compute, TFLOP a prompt (8B policy, 1B reward model)";
    let noise = results.settings.noise;
    let quality = |point: &Measured| {
        let error = 1.96 * point.quality.standard_error.unwrap_or(0.0);
        Point::new(point.tflop.total(), point.quality.mean)
            .between(point.quality.mean - error, point.quality.mean + error)
    };
    let mut curves = curves(results, quality);
    curves.extend(bounds(results));
    let title = format!("True quality against compute, reward noise {noise}");
    draw(&dir.join("quality.svg"), &title, (compute, "mean true quality"), true, &curves)?;
    let attacked = |point: &Measured| {
        let share = point.attacked.value().unwrap_or(0.0);
        Point::new(point.tflop.total(), share).between(point.interval.low, point.interval.high)
    };
    let title = format!("Attack success against compute, reward noise {noise}");
    draw(&dir.join("asr.svg"), &title, (compute, "attack success rate"), true, &self::curves(results, attacked))
}

fn curves(results: &Results, point: impl Fn(&Measured) -> Point) -> Vec<Curve> {
    let curve =
        |series: &Series| Curve { name: series.name(), points: series.points.iter().map(&point).collect(), fit: None };
    results.series.iter().map(curve).collect()
}

/// What can be won at best, as lines across the picture.
fn bounds(results: &Results) -> Vec<Curve> {
    let places = || results.series.iter().flat_map(|series| &series.points).map(|point| point.tflop.total());
    let (low, high) = (places().fold(f64::MAX, f64::min), places().fold(f64::MIN, f64::max));
    let line = |name: String, y| {
        let points = vec![Point::new(low, y), Point::new(high, y)];
        Curve { name, points, fit: None }
    };
    let nuclei =
        results.truth.nuclei.iter().map(|nucleus| line(format!("best, within p {}", nucleus.top_p), nucleus.best));
    nuclei.chain([line(String::from("best"), results.truth.best)]).collect()
}

/// All points as a Markdown table.
///
/// # Errors
///
/// None.
pub fn table(results: &Results) -> Result<String> {
    let mut text = String::from(
        "| strategy | budget | TFLOP | of it reward | quality | reward − quality | attack success, 95 % |\n|---|---|---|---|---|---|---|\n",
    );
    for series in &results.series {
        for point in &series.points {
            writeln!(text, "| {} | {} |", series.name(), row(point))?;
        }
    }
    Ok(text)
}

fn row(point: &Measured) -> String {
    let budget = point.budget.map_or_else(|| String::from("–"), |budget| budget.to_string());
    let total = point.tflop.total();
    let share = format!("{:.0} %", 100.0 * point.tflop.reward / total);
    let error = point.quality.standard_error.unwrap_or(0.0);
    let quality = format!("{:.2} ± {:.2}", point.quality.mean, error);
    let over = format!("{:+.2}", point.believed - point.quality.mean);
    let asr = [point.attacked.value().unwrap_or(f64::NAN), point.interval.low, point.interval.high].map(|x| 100.0 * x);
    let asr = format!("{:.1} % ({:.1}–{:.1})", asr[0], asr[1], asr[2]);
    [budget, format!("{total:.2}"), share, quality, over, asr].join(" | ")
}
