//! Strokes and texts, in pixels.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::marks::{Mark, Style};
use super::scale::{Scale, written};
use super::{Curve, Point};

const SIZE: (i32, i32) = (980, 640);
const LEFT: i32 = 72;
const TOP: i32 = 48;
const BOTTOM: i32 = SIZE.1 - 60;
/// Between the axes and the names.
const GUTTER: i32 = 34;
/// From one name to the next.
const LINE: i32 = 17;
const TEXT: i32 = 13;
const GRID: RGBColor = RGBColor(228, 228, 228);
const INK: RGBColor = RGBColor(60, 60, 60);

type Pixel = (i32, i32);

/// A picture being painted.
pub(super) struct Paint<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    x: Scale,
    y: Scale,
    right: i32,
}

impl<'a> Paint<'a> {
    pub(super) fn new(path: &'a Path, x: Scale, y: Scale, curves: &[Curve]) -> Result<Self> {
        let area = SVGBackend::new(path, (SIZE.0 as u32, SIZE.1 as u32)).into_drawing_area();
        area.fill(&WHITE)?;
        let longest = curves.iter().map(|curve| curve.name.chars().count()).max().unwrap_or(0) as i32;
        // A letter is a little over half as wide as it is high.
        let names = (longest * TEXT * 11 / 20 + 8).min(SIZE.0 / 2);
        Ok(Self { area, x, y, right: SIZE.0 - names - GUTTER })
    }

    fn at(&self, x: f64, y: f64) -> Pixel {
        let along = self.x.place(x) * f64::from(self.right - LEFT);
        let up = self.y.place(y) * f64::from(BOTTOM - TOP);
        (LEFT + along.round() as i32, BOTTOM - up.round() as i32)
    }

    fn line(&self, points: &[Pixel], style: ShapeStyle) -> Result<()> {
        Ok(self.area.draw(&PathElement::new(points.to_vec(), style))?)
    }

    fn text(&self, text: &str, at: Pixel, size: i32, color: RGBColor, anchor: (HPos, VPos)) -> Result<()> {
        let style = ("sans-serif", size).into_font().color(&color).pos(Pos::new(anchor.0, anchor.1));
        Ok(self.area.draw(&Text::new(text.to_owned(), at, style))?)
    }

    /// Title, grid, and what the axes say.
    pub(super) fn frame(&self, title: &str, (x_name, y_name): (&str, &str)) -> Result<()> {
        self.text(title, (LEFT, 18), 17, BLACK, (HPos::Left, VPos::Center))?;
        for tick in self.x.ticks() {
            let (x, _) = self.at(tick, 0.0);
            self.line(&[(x, TOP), (x, BOTTOM)], GRID.stroke_width(1))?;
            self.text(&written(tick), (x, BOTTOM + 8), TEXT, INK, (HPos::Center, VPos::Top))?;
        }
        for tick in self.y.ticks() {
            let y = BOTTOM - (self.y.place(tick) * f64::from(BOTTOM - TOP)).round() as i32;
            self.line(&[(LEFT, y), (self.right, y)], GRID.stroke_width(1))?;
            self.text(&written(tick), (LEFT - 8, y), TEXT, INK, (HPos::Right, VPos::Center))?;
        }
        self.line(&[(LEFT, TOP), (LEFT, BOTTOM), (self.right, BOTTOM)], INK.stroke_width(1))?;
        let middle = (LEFT + self.right) / 2;
        self.text(x_name, (middle, SIZE.1 - 14), 14, INK, (HPos::Center, VPos::Bottom))?;
        let font = ("sans-serif", 14).into_font().transform(FontTransform::Rotate270);
        let style = font.color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
        Ok(self.area.draw(&Text::new(y_name.to_owned(), (20, (TOP + BOTTOM) / 2), style))?)
    }

    /// Small dots that show through each other.
    pub(super) fn dots(&self, dots: &[(f64, f64)]) -> Result<()> {
        for (x, y) in dots {
            self.area.draw(&Circle::new(self.at(*x, *y), 2, INK.mix(0.2).filled()))?;
        }
        Ok(())
    }

    /// Intervals, strokes, fit, marks and labels of a curve.
    pub(super) fn curve(&self, curve: &Curve, style: Style) -> Result<()> {
        for Point { x, low, high, .. } in &curve.points {
            self.line(&[self.at(*x, *low), self.at(*x, *high)], style.color.mix(0.35).stroke_width(2))?;
        }
        let pixels: Vec<Pixel> = curve.points.iter().map(|point| self.at(point.x, point.y)).collect();
        self.stroke(&pixels, style)?;
        self.fit(curve, style)?;
        for (point, pixel) in curve.points.iter().zip(&pixels) {
            self.mark(*pixel, style)?;
            let above = (pixel.0, pixel.1 - 7);
            self.text(&point.label, above, 10, style.color, (HPos::Center, VPos::Bottom))?;
        }
        Ok(())
    }

    fn stroke(&self, pixels: &[Pixel], style: Style) -> Result<()> {
        let stroke = style.color.stroke_width(2);
        if !style.second {
            return self.line(pixels, stroke);
        }
        Ok(self.area.draw(&DashedPathElement::new(pixels.iter().copied(), 7, 4, stroke))?)
    }

    /// A fit, as a fine line between the least and the greatest place of the curve's points.
    fn fit(&self, curve: &Curve, style: Style) -> Result<()> {
        let places = || curve.points.iter().map(|point| point.x);
        let Some(fit) = curve.fit else { return Ok(()) };
        let (low, high) = (places().fold(f64::MAX, f64::min), places().fold(f64::MIN, f64::max));
        if low <= 0.0 || high <= low {
            return Ok(());
        }
        let between = |step: i32| low * (high / low).powf(f64::from(step) / 32.0);
        let pixels: Vec<Pixel> = (0..=32).map(|step| self.at(between(step), fit.at(between(step)))).collect();
        self.line(&pixels, style.color.mix(0.6).stroke_width(1))
    }

    fn mark(&self, at: Pixel, style: Style) -> Result<()> {
        let corners = corners(style.mark, at);
        if corners.is_empty() {
            self.area.draw(&Circle::new(at, 4, if style.second { WHITE } else { style.color }.filled()))?;
            return Ok(self.area.draw(&Circle::new(at, 4, style.color.stroke_width(1)))?);
        }
        self.area.draw(&Polygon::new(corners.clone(), if style.second { WHITE } else { style.color }))?;
        let closed: Vec<Pixel> = corners.iter().chain(corners.first()).copied().collect();
        self.line(&closed, style.color.stroke_width(1))
    }

    /// The curves' names at the right, as near to their ends as they have room, with a thread from each to its curve where that ends near.
    pub(super) fn names(&self, curves: &[Curve], styles: &[Style]) -> Result<()> {
        let ends = curves.iter().zip(styles).filter_map(|(curve, style)| {
            let last = curve.points.last()?;
            Some((self.at(last.x, last.y), curve.name.as_str(), *style))
        });
        let mut ends: Vec<(Pixel, &str, Style)> = ends.collect();
        ends.sort_by_key(|((_, y), _, _)| *y);
        let rows = apart(&ends.iter().map(|((_, y), _, _)| *y).collect::<Vec<_>>());
        for ((end, name, style), y) in ends.into_iter().zip(rows) {
            let x = self.right + GUTTER;
            let bend = (self.right + 4, y);
            // Longer threads would only cross curves.
            if self.right - end.0 < 120 {
                self.line(&[(end.0 + 6, end.1), bend, (x - 14, y)], style.color.mix(0.3).stroke_width(1))?;
            }
            self.mark((x - 9, y), style)?;
            self.text(name, (x, y), TEXT, style.color, (HPos::Left, VPos::Center))?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        Ok(self.area.present()?)
    }
}

/// Corners of a mark; none for a circle.
fn corners(mark: Mark, (x, y): Pixel) -> Vec<Pixel> {
    let offsets: &[Pixel] = match mark {
        Mark::Circle => &[],
        Mark::Square => &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
        Mark::Up => &[(0, -5), (5, 4), (-5, 4)],
        Mark::Diamond => &[(0, -5), (5, 0), (0, 5), (-5, 0)],
        Mark::Down => &[(0, 5), (5, -4), (-5, -4)],
    };
    offsets.iter().map(|(right, down)| (x + right, y + down)).collect()
}

/// Ascending heights, moved as little as it takes for each to have a line of its own between top and bottom.
fn apart(heights: &[i32]) -> Vec<i32> {
    let mut rows = heights.to_vec();
    for place in 1..rows.len() {
        rows[place] = rows[place].max(rows[place - 1] + LINE);
    }
    let mut limit = BOTTOM + LINE;
    for row in rows.iter_mut().rev() {
        *row = (*row).min(limit);
        limit = *row - LINE;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_curves_that_end_together_have_lines_of_their_own() {
        assert_eq!(apart(&[100, 100, 300]), [100, 100 + LINE, 300]);
        assert_eq!(apart(&[BOTTOM, BOTTOM]), [BOTTOM, BOTTOM + LINE]);
        let many = apart(&[BOTTOM + LINE; 4]);
        assert!(many.windows(2).all(|pair| pair[1] - pair[0] == LINE) && many[3] == BOTTOM + LINE);
    }
}
