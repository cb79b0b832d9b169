//! Attention of one head of keys in one sequence, everything `[head_dim, rows]`.

use pulp::{Simd, WithSimd};
use saffron_core::numeric::{exp_nonpositive, tanh};

use super::matrix::{Matrix, Upper};

/// What a sequence's head reads.
pub(super) struct Head<'a> {
    /// The queries' features, one query head after the other.
    pub(super) queries: Vec<&'a [f32]>,
    pub(super) keys: Vec<&'a [f32]>,
    pub(super) values: Vec<&'a [f32]>,
    /// Of each pair of features that is rotated the rows' cosines.
    pub(super) cos: Vec<&'a [f32]>,
    pub(super) sin: Vec<&'a [f32]>,
    /// Of each key, of each row, whether the row must not look at it.
    pub(super) hidden: &'a [bool],
    /// Whether no row looks at a later one.
    pub(super) causal: bool,
    /// What queries are multiplied by.
    pub(super) scale: f32,
    /// Scores become `cap · tanh(score / cap)`.
    pub(super) cap: Option<f32>,
}

/// Writes what the query heads take from the values.
pub(super) struct Forward<'a> {
    pub(super) head: Head<'a>,
    /// One slice per query feature.
    pub(super) out: Vec<&'a mut [f32]>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (head, width) = (&self.head, self.head.values.len());
        let (keys, values) = (head.turned(&head.keys, 1.0), gathered(&head.values));
        let keys = keys.transposed(head.length());
        let members = head.queries.chunks_exact(width);
        let mut out = self.out.into_iter();
        for queries in members {
            let queries = head.turned(queries, head.scale);
            let shares = head.shares(simd, &keys, &queries, None);
            let mut mixed = Matrix::zeros(width, head.length());
            mixed.add_product(simd, &values, &shares, head.upper(Upper::Right));
            store(&mixed, out.by_ref().take(width));
        }
    }
}

/// Writes the gradients of queries, keys and values.
pub(super) struct Backward<'a> {
    pub(super) head: Head<'a>,
    /// The gradient of what [`Forward`] wrote.
    pub(super) gradient: Vec<&'a [f32]>,
    /// One slice per feature: the query heads', the key's, the value's.
    pub(super) out: Vec<&'a mut [f32]>,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (head, width, length) = (&self.head, self.head.values.len(), self.head.length());
        let keys = head.turned(&head.keys, 1.0);
        let keys_turned = keys.transposed(length);
        let values = gathered(&head.values).transposed(length);
        let (mut by_keys, mut by_values) = (Matrix::zeros(length, width), Matrix::zeros(length, width));
        let mut out = self.out.into_iter();
        for (queries, gradient) in head.queries.chunks_exact(width).zip(self.gradient.chunks_exact(width)) {
            let (queries, gradient) = (head.turned(queries, head.scale), gathered(gradient));
            let mut slopes = head.cap.map(|_| Matrix::zeros(length, length));
            let shares = head.shares(simd, &keys_turned, &queries, slopes.as_mut());
            by_values.add_product(simd, &shares, &gradient.transposed(length), head.upper(Upper::Left));
            let mut by_scores = Matrix::zeros(length, length);
            by_scores.add_product(simd, &values, &gradient, head.upper(Upper::Product));
            softmax_backward(&shares, &mut by_scores);
            if let Some(slopes) = &slopes {
                multiply(&mut by_scores, slopes);
            }
            by_keys.add_product(simd, &by_scores, &queries.transposed(length), head.upper(Upper::Left));
            let mut by_queries = Matrix::zeros(width, length);
            by_queries.add_product(simd, &keys, &by_scores, head.upper(Upper::Right));
            head.turn(&mut by_queries, head.scale, -1.0);
            store(&by_queries, out.by_ref().take(width));
        }
        let mut by_keys = by_keys.transposed(width);
        head.turn(&mut by_keys, 1.0, -1.0);
        store(&by_keys, out.by_ref().take(width));
        store(&by_values.transposed(width), out);
    }
}

impl Head<'_> {
    /// Rows of the sequence.
    fn length(&self) -> usize {
        self.keys[0].len()
    }

    /// What of a product with shares is upper triangular, a share's row being its key.
    fn upper(&self, upper: Upper) -> Upper {
        if self.causal { upper } else { Upper::None }
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn turned(&self, features: &[&[f32]], scale: f32) -> Matrix {
        let mut matrix = gathered(features);
        self.turn(&mut matrix, scale, 1.0);
        matrix
    }

    /// Rotates by the rows' angles, or back where `way` is −1, and scales.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn turn(&self, matrix: &mut Matrix, scale: f32, way: f32) {
        let pairs = self.cos.len();
        for ((low, high), (cos, sin)) in matrix.pairs_mut(pairs).zip(self.cos.iter().zip(&self.sin)) {
            for ((low, high), (cos, sin)) in low.iter_mut().zip(high).zip(cos.iter().zip(*sin)) {
                let (before, sin) = (*low, way * sin);
                *low = (before * cos - *high * sin) * scale;
                *high = (*high * cos + before * sin) * scale;
            }
        }
        for feature in matrix.each_mut().skip(2 * pairs) {
            for value in feature {
                *value *= scale;
            }
        }
    }

    /// Of each key the rows' shares in it: softmax over keys, zero where a row must not look.
    /// `slopes` gets the derivative of the scores' cap, where there is one.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn shares<S: Simd>(&self, simd: S, keys: &Matrix, queries: &Matrix, slopes: Option<&mut Matrix>) -> Matrix {
        let length = self.length();
        let mut scores = Matrix::zeros(length, length);
        scores.add_product(simd, keys, queries, self.upper(Upper::Product));
        if let Some(cap) = self.cap {
            bound(&mut scores, cap, slopes);
        }
        let (mut tops, mut sums) = (vec![f32::MIN; length], vec![0.0; length]);
        for (scores, hidden) in scores.each_mut().zip(self.hidden.chunks_exact(length)) {
            for ((score, hidden), top) in scores.iter_mut().zip(hidden).zip(&mut tops) {
                *top = if !hidden && *score > *top { *score } else { *top };
            }
        }
        for (scores, hidden) in scores.each_mut().zip(self.hidden.chunks_exact(length)) {
            let rows = scores.iter_mut().zip(hidden).zip(tops.iter().zip(&mut sums));
            for ((score, hidden), (top, sum)) in rows {
                let share = exp_nonpositive(*score - top);
                *score = if *hidden { 0.0 } else { share };
                *sum += *score;
            }
        }
        sums.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
        for scores in scores.each_mut() {
            scores.iter_mut().zip(&sums).for_each(|(score, sum)| *score *= sum);
        }
        scores
    }
}

/// Caps scores, and notes the cap's derivative at each: `1 − tanh²`.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn bound(scores: &mut Matrix, cap: f32, slopes: Option<&mut Matrix>) {
    for scores in scores.each_mut() {
        for score in scores {
            *score = cap * tanh(*score / cap);
        }
    }
    if let Some(slopes) = slopes {
        for (slopes, scores) in slopes.each_mut().zip(scores.each()) {
            for (slope, score) in slopes.iter_mut().zip(scores) {
                *slope = 1.0 - (score / cap) * (score / cap);
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn multiply(matrix: &mut Matrix, factors: &Matrix) {
    for (values, factors) in matrix.each_mut().zip(factors.each()) {
        for (value, factor) in values.iter_mut().zip(factors) {
            *value *= factor;
        }
    }
}

/// From gradients of shares to those of scores: `p · (g − Σ p · g)`, the sum over keys.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn softmax_backward(shares: &Matrix, gradient: &mut Matrix) {
    let mut sums = vec![0.0; shares.row(0).len()];
    for (shares, gradient) in shares.each().zip(gradient.each_mut()) {
        for ((sum, share), gradient) in sums.iter_mut().zip(shares).zip(gradient) {
            *sum += share * *gradient;
        }
    }
    for (shares, gradient) in shares.each().zip(gradient.each_mut()) {
        for ((sum, share), gradient) in sums.iter().zip(shares).zip(gradient) {
            *gradient = share * (*gradient - sum);
        }
    }
}

fn gathered(features: &[&[f32]]) -> Matrix {
    let mut matrix = Matrix::zeros(features.len(), features[0].len());
    matrix.each_mut().zip(features).for_each(|(row, feature)| row[..feature.len()].copy_from_slice(feature));
    matrix
}

fn store<'a>(matrix: &Matrix, out: impl Iterator<Item = &'a mut [f32]>) {
    matrix.each().zip(out).for_each(|(row, out)| out.copy_from_slice(&row[..out.len()]));
}
