//! Small matrices and their product.

use pulp::Simd;

/// Numbers of the longest vectors that there are.
const LONGEST: usize = 16;

/// Which matrix of a product is upper triangular: zero, or not asked for, where the row's number is above the column's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upper {
    None,
    Left,
    Right,
    Product,
}

/// A matrix whose rows are padded to whole vectors.
#[derive(Debug)]
pub(super) struct Matrix {
    values: Vec<f32>,
    stride: usize,
}

impl Matrix {
    pub(super) fn zeros(rows: usize, columns: usize) -> Self {
        let stride = columns.next_multiple_of(LONGEST);
        Self { values: vec![0.0; rows * stride], stride }
    }

    /// The first `columns` columns as rows.
    pub(super) fn transposed(&self, columns: usize) -> Self {
        let mut turned = Self::zeros(columns, self.rows());
        for (row, values) in self.values.chunks_exact(self.stride).enumerate() {
            let places = turned.values.iter_mut().skip(row).step_by(turned.stride);
            places.zip(values).for_each(|(place, value)| *place = *value);
        }
        turned
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.stride
    }

    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..(row + 1) * self.stride]
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.stride)
    }

    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.values.chunks_exact_mut(self.stride)
    }

    /// The first `pairs` rows, each with the one so many further down.
    pub(super) fn pairs_mut(&mut self, pairs: usize) -> impl Iterator<Item = (&mut [f32], &mut [f32])> {
        let (low, rest) = self.values.split_at_mut(pairs * self.stride);
        low.chunks_exact_mut(self.stride).zip(rest.chunks_exact_mut(self.stride))
    }

    /// Adds `left · right`, as deep as `right` has rows. Whole blocks of an upper triangle's zeros are left out.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    pub(super) fn add_product<S: Simd>(&mut self, simd: S, left: &Self, right: &Self, upper: Upper) {
        let vectors = right.stride / S::F32_LANES;
        for at in (0..vectors - vectors % 2).step_by(2) {
            // As many sums as there are registers for, less those of the right's vectors and the left's number.
            match S::F32_LANES {
                LONGEST => self.add_columns::<S, 12, 2>(simd, left, right, upper, at),
                _ => self.add_columns::<S, 6, 2>(simd, left, right, upper, at),
            }
        }
        if vectors % 2 == 1 {
            self.add_columns::<S, 8, 1>(simd, left, right, upper, vectors - 1);
        }
    }

    /// The same for `C` vectors of columns.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn add_columns<S: Simd, const R: usize, const C: usize>(
        &mut self,
        simd: S,
        left: &Self,
        right: &Self,
        upper: Upper,
        at: usize,
    ) {
        let (rows, stride, last) = (left.rows(), right.stride / S::F32_LANES, (at + C) * S::F32_LANES);
        let depth = if upper == Upper::Right { right.rows().min(last) } else { right.rows() };
        let right = &S::as_simd_f32s(&right.values).0[..depth * stride];
        let rows_wanted = if upper == Upper::Product { rows.min(last) } else { rows };
        for first in (0..rows_wanted).step_by(R) {
            let from = if upper == Upper::Left { first.min(depth) } else { 0 };
            // A block at the end repeats the last row: it is computed more than once and used once.
            let block: [&[f32]; R] = std::array::from_fn(|row| &left.row((first + row).min(rows - 1))[from..depth]);
            let mut sums = [[simd.splat_f32s(0.0); C]; R];
            for (place, columns) in right[from * stride..].chunks_exact(stride).enumerate() {
                let columns = &columns[at..at + C];
                for (sums, row) in sums.iter_mut().zip(block) {
                    let value = simd.splat_f32s(row[place]);
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = simd.mul_add_e_f32s(value, *column, *sum);
                    }
                }
            }
            for (out, sums) in self.values.chunks_exact_mut(self.stride).skip(first).zip(sums) {
                let out = &mut S::as_mut_simd_f32s(out).0[at..at + C];
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = simd.add_f32s(*out, sum);
                }
            }
        }
    }
}
