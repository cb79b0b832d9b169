//! Which colour, mark and stroke a curve has.

use plotters::style::RGBColor;

use super::Curve;

/// Colours that people with any colour vision can tell apart on white: Okabe and Ito's, most of Tol's muted ones, and a brown.
const COLORS: [RGBColor; 16] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(136, 34, 85),
    RGBColor(153, 153, 51),
    RGBColor(51, 34, 136),
    RGBColor(136, 136, 136),
    RGBColor(68, 170, 153),
    RGBColor(204, 102, 119),
    RGBColor(17, 119, 51),
    RGBColor(221, 204, 119),
    RGBColor(102, 51, 0),
];

/// What a point looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Circle,
    Square,
    Up,
    Diamond,
    Down,
}

const MARKS: [Mark; 5] = [Mark::Circle, Mark::Square, Mark::Up, Mark::Diamond, Mark::Down];

/// How a curve is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) color: RGBColor,
    pub(super) mark: Mark,
    /// Dashed, with hollow marks.
    pub(super) second: bool,
}

/// The styles of curves, by the part of their names before a comma.
pub(super) fn styles(curves: &[Curve]) -> Vec<Style> {
    let mut families: Vec<&str> = Vec::new();
    let style = |curve| {
        let family = family(curve);
        let known = families.iter().position(|other| *other == family);
        let place = known.unwrap_or_else(|| {
            families.push(family);
            families.len() - 1
        });
        Style { color: COLORS[place % COLORS.len()], mark: MARKS[place % MARKS.len()], second: known.is_some() }
    };
    curves.iter().map(style).collect()
}

fn family(curve: &Curve) -> &str {
    curve.name.split_once(", ").map_or(&curve.name, |(family, _)| family)
}
