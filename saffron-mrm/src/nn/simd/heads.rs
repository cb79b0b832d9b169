//! From the joint projection to normed and rotated heads, in one pass.

use burn::tensor::Tensor;
use rayon::prelude::*;
use saffron_kvtrie::simd::{flex, flex_tensor};

use crate::config::HeadNormKind;
use crate::nn::{HeadNorms, HeadShape, RopeRows};

/// Numbers from which on threads pay.
const PARALLEL: usize = 1 << 17;

/// Queries, keys and values as attention takes them.
///
/// # Shapes
///
/// - joint: `[q + 2·kv, rows]`
/// - queries: `[kv_heads, rows, group, head_dim]`, normed, rotated and scaled
/// - keys, values: `[kv_heads, rows, head_dim]`, keys normed and rotated
pub(crate) fn split_heads(
    joint: &Tensor<2>,
    norms: Option<&HeadNorms>,
    rope: Option<&RopeRows>,
    shape: &HeadShape,
) -> Option<(Tensor<4>, Tensor<3>, Tensor<3>)> {
    let HeadShape { kv_heads: heads, group, head_dim: width, .. } = *shape;
    let rows = joint.dims()[1];
    if rows == 0 {
        return None;
    }
    let joint = flex(joint)?;
    let tables = match rope {
        Some(rope) => Some((flex(rope.tables().0)?, flex(rope.tables().1)?)),
        None => None,
    };
    let (cos, sin) = match &tables {
        Some((cos, sin)) => (cos.as_slice()?, sin.as_slice()?),
        None => (&[][..], &[][..]),
    };
    let source = Source { joint: joint.as_slice()?, cos, sin, rows, width };
    let multipliers = match norms {
        Some(norms) => Some((flex(norms.query.multiplier())?, flex(norms.key.multiplier())?)),
        None => None,
    };
    let normed = match (norms, &multipliers) {
        (Some(norms), Some((query, key))) => {
            let (query, key) = (query.as_slice()?, key.as_slice()?);
            let (own, eps) = (norms.kind == HeadNormKind::PerHead, [norms.query.eps(), norms.key.eps()]);
            let count = heads * group;
            Some((source.norm(0, count, query, own, eps[0]), source.norm(count, heads, key, own, eps[1])))
        }
        _ => None,
    };
    let (queries_norm, keys_norm) = (normed.as_ref().map(|norms| &norms.0), normed.as_ref().map(|norms| &norms.1));
    let mut queries = vec![0.0; heads * rows * group * width];
    let (mut keys, mut values) = (vec![0.0; heads * rows * width], vec![0.0; heads * rows * width]);
    let scale = shape.scale as f32;
    let head = |head: usize, queries: &mut [f32], keys: &mut [f32], values: &mut [f32]| {
        for member in 0..group {
            let number = head * group + member;
            source.turn(number, queries_norm, scale, |row| (row * group + member) * width, queries);
        }
        source.turn(heads * group + head, keys_norm, 1.0, |row| row * width, keys);
        source.copy(heads * (group + 1) + head, values);
    };
    let parts = queries.par_chunks_mut(rows * group * width).zip(keys.par_chunks_mut(rows * width));
    let parts = parts.zip(values.par_chunks_mut(rows * width)).enumerate();
    let few = if source.joint.len() >= PARALLEL { 1 } else { heads };
    parts.with_min_len(few).for_each(|(place, ((queries, keys), values))| head(place, queries, keys, values));
    let keys = flex_tensor(keys, [heads, rows, width]);
    Some((flex_tensor(queries, [heads, rows, group, width]), keys, flex_tensor(values, [heads, rows, width])))
}

/// The joint projection, head after head, and the tables of angles.
struct Source<'a> {
    joint: &'a [f32],
    /// `[pairs, rows]`; empty where nothing is rotated.
    cos: &'a [f32],
    sin: &'a [f32],
    rows: usize,
    width: usize,
}

/// What some heads are multiplied by.
struct Norm<'a> {
    /// The first of the heads.
    first: usize,
    /// A multiplier a feature: those of one head, which all share, or those of all heads.
    multipliers: &'a [f32],
    /// `1 / √(mean(x²) + ε)` of each row: head after head, or of all together.
    scales: Vec<f32>,
}

impl Source<'_> {
    /// The norm of `count` heads, each with its `own` mean or all with one.
    fn norm<'a>(&self, first: usize, count: usize, multipliers: &'a [f32], own: bool, eps: f64) -> Norm<'a> {
        let size = self.width * self.rows;
        let heads = &self.joint[first * size..(first + count) * size];
        let step = if own { size } else { count * size };
        let scales = heads.chunks_exact(step).flat_map(|part| self.scales(part, eps as f32)).collect();
        Norm { first, multipliers, scales }
    }

    /// `1 / √(mean(x²) + ε)` of each row of some features.
    fn scales(&self, features: &[f32], eps: f32) -> Vec<f32> {
        let mut sums = vec![0.0f32; self.rows];
        for feature in features.chunks_exact(self.rows) {
            sums.iter_mut().zip(feature).for_each(|(sum, x)| *sum += x * x);
        }
        let width = (features.len() / self.rows) as f32;
        sums.iter_mut().for_each(|sum| *sum = 1.0 / (*sum / width + eps).sqrt());
        sums
    }

    /// Norms, rotates and scales one head; `place` is where a row of it begins in `out`.
    fn turn(&self, head: usize, norm: Option<&Norm<'_>>, scale: f32, place: impl Fn(usize) -> usize, out: &mut [f32]) {
        match norm {
            None => self.rotate(self.head(head), scale, place, out),
            Some(norm) => {
                let mut normed = self.head(head).to_vec();
                let (scales, multipliers) = norm.of(head, self.rows, self.width);
                for (feature, multiplier) in normed.chunks_exact_mut(self.rows).zip(multipliers) {
                    feature.iter_mut().zip(scales).for_each(|(x, scale)| *x = *x * scale * multiplier);
                }
                self.rotate(&normed, scale, place, out);
            }
        }
    }

    fn rotate(&self, head: &[f32], scale: f32, place: impl Fn(usize) -> usize, out: &mut [f32]) {
        let (rows, half) = (self.rows, self.cos.len() / self.rows);
        let (turned, rest) = head.split_at(2 * half * rows);
        let (low, high) = turned.split_at(half * rows);
        let pairs = low.chunks_exact(rows).zip(high.chunks_exact(rows));
        let angles = self.cos.chunks_exact(rows).zip(self.sin.chunks_exact(rows));
        for (index, ((low, high), (cos, sin))) in pairs.zip(angles).enumerate() {
            for row in 0..rows {
                let at = place(row) + index;
                out[at] = (low[row] * cos[row] - high[row] * sin[row]) * scale;
                out[at + half] = (high[row] * cos[row] + low[row] * sin[row]) * scale;
            }
        }
        for (index, feature) in rest.chunks_exact(rows).enumerate() {
            feature.iter().enumerate().for_each(|(row, value)| out[place(row) + 2 * half + index] = value * scale);
        }
    }

    fn copy(&self, head: usize, out: &mut [f32]) {
        for (index, feature) in self.head(head).chunks_exact(self.rows).enumerate() {
            feature.iter().enumerate().for_each(|(row, value)| out[row * self.width + index] = *value);
        }
    }

    fn head(&self, head: usize) -> &[f32] {
        let size = self.width * self.rows;
        &self.joint[head * size..(head + 1) * size]
    }
}

impl Norm<'_> {
    /// The scales of a head's rows and the multipliers of its features.
    fn of(&self, head: usize, rows: usize, width: usize) -> (&[f32], &[f32]) {
        let head = head - self.first;
        let scales =
            if self.scales.len() == rows { &self.scales[..] } else { &self.scales[head * rows..(head + 1) * rows] };
        let all = self.multipliers.len() > width;
        let multipliers = if all { &self.multipliers[head * width..(head + 1) * width] } else { self.multipliers };
        (scales, multipliers)
    }
}
