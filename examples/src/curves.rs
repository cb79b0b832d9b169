//! Curves with intervals as SVG: one line a series, named at its right end. Texts are placed by estimate, so that no fonts are needed.

mod marks;
mod paint;
mod scale;

use std::path::Path;

use anyhow::{Result, ensure};
use saffron_search::eval::curve::LogFit;

use paint::Paint;
use scale::Scale;

/// A measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Place on the horizontal axis.
    pub x: f64,
    /// Place on the vertical axis.
    pub y: f64,
    /// Lower end of the interval of `y`; equal to `y` where there is none.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// What is written beside the point; nothing when empty.
    pub label: String,
}

impl Point {
    /// A measurement without interval and label.
    #[must_use]
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, low: y, high: y, label: String::new() }
    }

    /// The same with an interval.
    #[must_use]
    pub fn between(mut self, low: f64, high: f64) -> Self {
        (self.low, self.high) = (low, high);
        self
    }

    /// The same with a label.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
}

/// A series of measurements, drawn in their order.
///
/// Curves whose names agree up to `, ` share a colour and a mark; all but the first of them are dashed, with hollow marks.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What is written at its end.
    pub name: String,
    /// Its measurements.
    pub points: Vec<Point>,
    /// A line that is drawn, thin, over the range of the measurements.
    pub fit: Option<LogFit>,
}

/// Draws curves on axes that hold all their points and intervals; `axes` names the horizontal and the vertical one.
///
/// ```
/// use saffron_examples::curves::{Curve, Point, draw};
/// let points = vec![Point::new(1.0, 0.5).between(0.4, 0.6).labelled("n 1"), Point::new(8.0, 0.25).between(0.2, 0.3)];
/// let curve = Curve { name: String::from("best-of-n, PRM"), points, fit: None };
/// let path = std::env::temp_dir().join(format!("saffron-curves-{}.svg", std::process::id()));
/// draw(&path, "Attack success", ("TFLOP a prompt", "attack success rate"), true, &[curve])?;
/// assert!(std::fs::read_to_string(&path)?.contains("best-of-n, PRM"));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// # Errors
///
/// No points, numbers that are not finite or, on a logarithmic axis, not above zero, and a file that cannot be written.
pub fn draw(path: &Path, title: &str, axes: (&str, &str), log_x: bool, curves: &[Curve]) -> Result<()> {
    check(log_x, curves)?;
    draw_over(path, title, axes, log_x, curves, &[])
}

/// Draws curves, of which there may be none, over a cloud of dots on linear axes that hold all of both.
///
/// # Errors
///
/// Neither dots nor points, numbers that are not finite, and a file that cannot be written.
pub fn draw_cloud(path: &Path, title: &str, axes: (&str, &str), dots: &[(f64, f64)], curves: &[Curve]) -> Result<()> {
    for (place, (x, y)) in dots.iter().enumerate() {
        ensure!(x.is_finite() && y.is_finite(), "dot {place} is not finite: ({x}, {y})");
    }
    if dots.is_empty() || !curves.is_empty() {
        check(false, curves)?;
    }
    draw_over(path, title, axes, false, curves, dots)
}

fn draw_over(
    path: &Path,
    title: &str,
    axes: (&str, &str),
    log_x: bool,
    curves: &[Curve],
    dots: &[(f64, f64)],
) -> Result<()> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let x = Scale::over(points().map(|point| point.x).chain(dots.iter().map(|dot| dot.0)), log_x);
    let heights = points().flat_map(|point| [point.y, point.low, point.high]);
    let y = Scale::over(heights.chain(dots.iter().map(|dot| dot.1)), false);
    let paint = Paint::new(path, x, y, curves)?;
    paint.frame(title, axes)?;
    paint.dots(dots)?;
    let styles = marks::styles(curves);
    for (curve, style) in curves.iter().zip(&styles) {
        paint.curve(curve, *style)?;
    }
    paint.names(curves, &styles)?;
    paint.finish()
}

fn check(log_x: bool, curves: &[Curve]) -> Result<()> {
    ensure!(curves.iter().any(|curve| !curve.points.is_empty()), "there is no point to draw");
    for curve in curves {
        for (place, Point { x, y, low, high, .. }) in curve.points.iter().enumerate() {
            let finite = [x, y, low, high].into_iter().all(|number| number.is_finite());
            ensure!(finite, "point {place} of `{}` is not finite: ({x}, {y}) between {low} and {high}", curve.name);
            ensure!(!log_x || *x > 0.0, "point {place} of `{}` has no place on a logarithmic axis: {x}", curve.name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: Vec<Point>) -> Curve {
        Curve { name: String::from("some"), points, fit: None }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_by_name_and_place() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let refused = |log_x, points| {
            let drawn = draw(file.path(), "", ("", ""), log_x, &[curve(points)]);
            drawn.expect_err("points that cannot be drawn").to_string()
        };
        assert_eq!(refused(false, Vec::new()), "there is no point to draw");
        assert!(refused(false, vec![Point::new(1.0, 1.0), Point::new(f64::NAN, 1.0)]).contains("point 1 of `some`"));
        assert!(refused(true, vec![Point::new(0.0, 1.0)]).contains("logarithmic axis: 0"));
    }

    #[test]
    fn a_cloud_lies_inside_the_axes_with_or_without_curves() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        draw_cloud(file.path(), "t", ("x", "y"), &[(1.0, 2.0), (-3.0, 4.0)], &[]).expect("a picture");
        let picture = std::fs::read_to_string(file.path()).expect("the picture");
        assert_eq!(picture.matches("<circle").count(), 2);
        let refused = |dots: &[(f64, f64)]| draw_cloud(file.path(), "", ("", ""), dots, &[]).expect_err("no cloud");
        assert_eq!(refused(&[]).to_string(), "there is no point to draw");
        assert!(refused(&[(0.0, 0.0), (f64::NAN, 0.0)]).to_string().contains("dot 1 is not finite"));
    }

    #[test]
    fn one_point_alone_can_be_drawn() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        draw(file.path(), "t", ("x", "y"), true, &[curve(vec![Point::new(3.0, 0.0)])]).expect("a picture");
        let picture = std::fs::read_to_string(file.path()).expect("the picture");
        assert!(picture.contains("some") && !picture.contains("NaN"));
    }

    #[test]
    fn a_fit_is_drawn_over_the_range_of_its_points() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let points = vec![Point::new(1.0, 0.9), Point::new(10.0, 0.1)];
        let paths = |fit| {
            let curves = [Curve { fit, ..curve(points.clone()) }];
            draw(file.path(), "t", ("x", "y"), true, &curves).expect("a picture");
            std::fs::read_to_string(file.path()).expect("the picture").matches("<polyline").count()
        };
        assert!(paths(LogFit::of(&[(1.0, 0.9), (10.0, 0.1)])) > paths(None));
    }
}
