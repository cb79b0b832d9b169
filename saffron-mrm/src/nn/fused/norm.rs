//! RMSNorm over features.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use saffron_kvtrie::simd::dispatch;

use super::{Function, constant, record};

/// Features of a task; also those whose terms are added before they join the rest, which keeps the error of long sums down.
const BLOCK: usize = 32;

/// `w · x / √(mean(x²) + ε)`
///
/// # Shapes
///
/// - x, output: `[width, rows]`
/// - weight: `[width, 1]`
pub(crate) fn rms_norm(x: &Tensor<2>, weight: &Tensor<2>, eps: f64) -> Option<Tensor<2>> {
    let rows = x.dims()[1];
    if rows == 0 {
        return None;
    }
    record(Norm::new(weight, rows, eps)?, x)
}

#[derive(Clone, Debug)]
pub(super) struct Norm {
    weight: FlexTensor,
    rows: usize,
    eps: f32,
}

impl Norm {
    pub(super) fn new(weight: &Tensor<2>, rows: usize, eps: f64) -> Option<Self> {
        Some(Self { weight: constant(weight)?, rows, eps: eps as f32 })
    }

    /// Features that it is over.
    pub(super) fn width(&self) -> usize {
        self.weight().len()
    }

    fn weight(&self) -> &[f32] {
        // Made contiguous when the function was made.
        self.weight.as_slice().unwrap_or_default()
    }

    /// Of each row `1 / √(mean(x²) + ε)`.
    fn scales(&self, x: &[f32]) -> Vec<f32> {
        let block = self.rows * BLOCK;
        let parts =
            x.par_chunks(block).map(|x| dispatch(Products { left: x, right: x, weight: None, rows: self.rows }));
        let width = self.weight().len() as f32;
        total(&parts.collect::<Vec<_>>()).into_iter().map(|sum| 1.0 / (sum / width + self.eps).sqrt()).collect()
    }
}

impl Function for Norm {
    fn forward(&self, x: &[f32]) -> (Vec<f32>, [usize; 2]) {
        let (weight, block) = (self.weight(), self.rows * BLOCK);
        let scales = self.scales(x);
        let mut out = vec![0.0; x.len()];
        let parts = out.par_chunks_mut(block).zip(x.par_chunks(block)).zip(weight.par_chunks(BLOCK));
        parts.for_each(|((out, x), weight)| dispatch(Value { x, weight, scales: &scales, out }));
        (out, [weight.len(), self.rows])
    }

    /// With `s` a row's scale: `s · w · g − x · s³ · mean(w · g · x)`.
    fn backward(&self, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (weight, block) = (self.weight(), self.rows * BLOCK);
        let scales = self.scales(x);
        let parts = x.par_chunks(block).zip(gradient.par_chunks(block)).zip(weight.par_chunks(BLOCK));
        let parts = parts
            .map(|((left, right), weight)| dispatch(Products { left, right, weight: Some(weight), rows: self.rows }));
        let mut pulls = total(&parts.collect::<Vec<_>>());
        let width = weight.len() as f32;
        pulls.iter_mut().zip(&scales).for_each(|(pull, scale)| *pull *= scale * scale * scale / width);
        let mut out = vec![0.0; x.len()];
        let parts = out.par_chunks_mut(block).zip(x.par_chunks(block)).zip(gradient.par_chunks(block));
        parts.zip(weight.par_chunks(BLOCK)).for_each(|(((out, x), gradient), weight)| {
            dispatch(Derivative { x, gradient, weight, scales: &scales, pulls: &pulls, out });
        });
        out
    }
}

/// The sum of the blocks' sums, in order.
fn total(parts: &[Vec<f32>]) -> Vec<f32> {
    let mut sums = vec![0.0; parts.first().map_or(0, Vec::len)];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sums
}

/// Of each row `Σ left · right`, weighted or not.
struct Products<'a> {
    left: &'a [f32],
    right: &'a [f32],
    weight: Option<&'a [f32]>,
    rows: usize,
}

impl WithSimd for Products<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let mut sums = vec![0.0; self.rows];
        let features = self.left.chunks_exact(self.rows).zip(self.right.chunks_exact(self.rows));
        for (feature, (left, right)) in features.enumerate() {
            let weight = self.weight.map_or(1.0, |weight| weight[feature]);
            let places = sums.iter_mut().zip(left).zip(right);
            places.for_each(|((sum, left), right)| *sum += weight * left * right);
        }
        sums
    }
}

struct Value<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    scales: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Value<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.scales.len();
        let features = self.x.chunks_exact(rows).zip(self.out.chunks_exact_mut(rows)).zip(self.weight);
        for ((x, out), weight) in features {
            let places = out.iter_mut().zip(x).zip(self.scales);
            places.for_each(|((out, x), scale)| *out = x * scale * weight);
        }
    }
}

struct Derivative<'a> {
    x: &'a [f32],
    gradient: &'a [f32],
    weight: &'a [f32],
    scales: &'a [f32],
    pulls: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Derivative<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.scales.len();
        let features = self.x.chunks_exact(rows).zip(self.gradient.chunks_exact(rows)).zip(self.weight);
        for (((x, gradient), weight), out) in features.zip(self.out.chunks_exact_mut(rows)) {
            let places = out.iter_mut().zip(x).zip(gradient).zip(self.scales.iter().zip(self.pulls));
            places.for_each(|(((out, x), gradient), (scale, pull))| *out = scale * weight * gradient - x * pull);
        }
    }
}
