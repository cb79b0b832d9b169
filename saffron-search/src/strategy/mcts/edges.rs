//! What a Monte-Carlo search knows of the candidates of one node.

use saffron_core::{Child, NodeId};

use crate::strategy::path::plus;

/// A candidate and what walks through it found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edge {
    pub(super) child: Child,
    /// Its node, once a walk has gone there.
    pub(super) node: Option<NodeId>,
    prior: f64,
    /// The value it has before any walk.
    first: Option<f32>,
    visits: u32,
    found: u32,
    total: f64,
}

/// The candidates of a node, most probable first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Edges {
    pub(super) list: Vec<Edge>,
}

/// The lowest and the highest finite value that a search has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    low: f32,
    high: f32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { low: f32::INFINITY, high: f32::NEG_INFINITY }
    }
}

impl Bounds {
    pub(super) fn enter(&mut self, value: f32) {
        if value.is_finite() {
            (self.low, self.high) = (self.low.min(value), self.high.max(value));
        }
    }

    /// The value on a scale from 0 to 1, infinite ones at its ends; a half while nothing is known to differ.
    fn scaled(&self, value: f64) -> f64 {
        if value.is_infinite() {
            return if value > 0.0 { 1.0 } else { 0.0 };
        }
        let (low, range) = (f64::from(self.low), f64::from(self.high) - f64::from(self.low));
        if range > 0.0 && range.is_finite() { (value - low) / range } else { 0.5 }
    }
}

impl Edge {
    /// Mean of what walks found; before any the first value; the middle of the scale where nothing is known.
    fn quality(&self, bounds: &Bounds) -> f64 {
        let mean = (self.found > 0).then(|| self.total / f64::from(self.found));
        mean.or(self.first.map(f64::from)).map_or(0.5, |value| bounds.scaled(value))
    }
}

impl Edges {
    /// Edges to children with their first values; their probabilities are scaled to a sum of one.
    pub(super) fn new(children: Vec<Child>, values: &[Option<f32>]) -> Self {
        let mass: f64 = children.iter().map(|child| f64::from(child.logprob).exp()).sum();
        let edge = |(child, first): (Child, &Option<f32>)| {
            let prior = if mass > 0.0 { f64::from(child.logprob).exp() / mass } else { 0.0 };
            Edge { child, node: None, prior, first: *first, visits: 0, found: 0, total: 0.0 }
        };
        Self { list: children.into_iter().zip(values).map(edge).collect() }
    }

    /// The place of the edge that the next walk takes; the first of equals.
    pub(super) fn select(&self, exploration: f32, bounds: &Bounds) -> Option<usize> {
        // The visit that made the node counts too, so that priors speak before any edge was walked.
        let visits = 1 + self.list.iter().map(|edge| edge.visits).sum::<u32>();
        let reach = f64::from(exploration) * f64::from(visits).sqrt();
        let score = |edge: &Edge| edge.quality(bounds) + reach * edge.prior / f64::from(1 + edge.visits);
        self.best(|edge| score(edge))
    }

    /// The place of the edge walked most; among equals the one of higher value, then of higher probability.
    pub(super) fn most_visited(&self) -> Option<usize> {
        let value = |edge: &Edge| {
            let mean = (edge.found > 0).then(|| edge.total / f64::from(edge.found));
            mean.or(edge.first.map(f64::from)).unwrap_or(f64::NEG_INFINITY)
        };
        (0..self.list.len()).reduce(|best, next| {
            let (a, b) = (&self.list[best], &self.list[next]);
            if (b.visits, value(b)) > (a.visits, value(a)) { next } else { best }
        })
    }

    fn best(&self, score: impl Fn(&Edge) -> f64) -> Option<usize> {
        (0..self.list.len())
            .reduce(|best, next| if score(&self.list[next]) > score(&self.list[best]) { next } else { best })
    }

    /// Enters a walk through an edge and what it found, if anything.
    pub(super) fn visit(&mut self, place: usize, value: Option<f32>) {
        let Some(edge) = self.list.get_mut(place) else { return };
        edge.visits += 1;
        if let Some(value) = value {
            edge.found += 1;
            edge.total = plus(edge.total, value);
        }
    }
}
