//! What reward models say against what is true, as SVG.

use std::path::Path;

use anyhow::Result;
use saffron_search::eval::stats::{Classification, Regression, RegressionBin, ReliabilityBin};

use crate::curves::{Curve, Point, draw, draw_cloud};

/// More dots than this make a picture larger, not clearer.
const DOTS: usize = 4000;

/// Draws how often answers are safe that a reward model gives some probability: a point a bin, with its interval and number of answers.
/// A calibrated model's points lie on the dashed line.
///
/// ```
/// use saffron_examples::calibration::reliability;
/// use saffron_search::eval::stats::{Classification, ClassificationSettings};
/// let report = Classification::of(&[(2.0, true), (-1.0, false), (0.5, true)], &ClassificationSettings::default())?;
/// let path = std::env::temp_dir().join(format!("saffron-reliability-{}.svg", std::process::id()));
/// reliability(&path, &report, "Guard")?;
/// assert!(std::fs::read_to_string(&path)?.contains("Guard: 3 answers"));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// # Errors
///
/// A file that cannot be written.
pub fn reliability(path: &Path, report: &Classification, title: &str) -> Result<()> {
    let points = report.reliability.iter().filter_map(bin).collect();
    let curves = [Curve { name: String::from("safe, found"), points, fit: None }, line("safe, as predicted", 0.0, 1.0)];
    let auroc = report.auroc.map_or_else(String::new, |auroc| format!(", AUROC {:.3}", auroc.value));
    let (error, brier) = (report.expected_calibration_error, report.brier);
    let title = format!("{title}: {} answers{auroc}, calibration error {error:.3}, Brier {brier:.3}", report.n);
    let axes = ("mean probability of safe in a bin", "share of safe answers (Wilson), number of answers");
    draw(path, &title, axes, false, &curves)
}

fn bin(bin: &ReliabilityBin) -> Option<Point> {
    let point = Point::new(bin.predicted, bin.safe.value()?).between(bin.interval.low, bin.interval.high);
    Some(point.labelled(bin.safe.of().to_string()))
}

/// Draws pairs `(estimate, target)` as dots, of very many some thousand taken evenly, and over them the mean target of each bin of the
/// report with its standard deviation to both sides. A perfect model's dots lie on the dashed line.
///
/// ```
/// use std::num::NonZeroUsize;
/// use saffron_examples::calibration::scatter;
/// use saffron_search::eval::stats::Regression;
/// let pairs = [(1.0, 1.5), (-2.0, -1.0), (3.0, 3.0)];
/// let path = std::env::temp_dir().join(format!("saffron-scatter-{}.svg", std::process::id()));
/// scatter(&path, &pairs, &Regression::of(&pairs, NonZeroUsize::MIN)?, "MRM")?;
/// assert!(std::fs::read_to_string(&path)?.contains("MRM: 3 rewards"));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// # Errors
///
/// No pairs, numbers that are not finite, and a file that cannot be written.
pub fn scatter(path: &Path, pairs: &[(f32, f32)], report: &Regression, title: &str) -> Result<()> {
    let step = pairs.len().div_ceil(DOTS).max(1);
    let dots: Vec<(f64, f64)> = pairs.iter().step_by(step).map(|pair| (pair.0.into(), pair.1.into())).collect();
    let ends = |start: f64, of: fn(f64, f64) -> f64| dots.iter().map(|(estimate, _)| *estimate).fold(start, of);
    let mut curves = Vec::new();
    if !report.bins.is_empty() {
        let points = report.bins.iter().map(spread).collect();
        curves.push(Curve { name: String::from("target, mean ± sd"), points, fit: None });
    }
    if !dots.is_empty() {
        curves.push(line("target, as estimated", ends(f64::MAX, f64::min), ends(f64::MIN, f64::max)));
    }
    draw_cloud(path, &headed(report, title), ("estimated reward", "target reward"), &dots, &curves)
}

fn headed(report: &Regression, title: &str) -> String {
    let pearson = report.pearson.map_or_else(String::new, |pearson| format!(", Pearson {pearson:.3}"));
    let (absolute, root) = (report.mean_absolute_error, report.root_mean_square_error);
    format!("{title}: {} rewards, MAE {absolute:.3}, RMSE {root:.3}, bias {:.3}{pearson}", report.n, report.bias)
}

fn spread(bin: &RegressionBin) -> Point {
    let deviation = bin.deviation.unwrap_or(0.0);
    Point::new(bin.estimate, bin.target).between(bin.target - deviation, bin.target + deviation)
}

/// The line on which both axes say the same.
fn line(name: &str, low: f64, high: f64) -> Curve {
    Curve { name: String::from(name), points: vec![Point::new(low, low), Point::new(high, high)], fit: None }
}
