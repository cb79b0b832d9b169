//! A block of weight rows times all columns.

use pulp::Simd;
use saffron_kvtrie::simd::{Columns, lanes, products};

/// Up to so many columns are multiplied along the rows, a dot product each; more are multiplied side by side.
const FEW: usize = 4;

/// The right-hand side of a product, laid out for the kernel that suits its number of columns.
#[derive(Debug)]
pub(super) enum Right {
    /// Column after column.
    Few(Columns),
    /// Tiles as wide as the processor's vectors.
    Many(Columns),
}

impl Right {
    /// Packs `rows × columns` entries.
    pub(super) fn pack(rows: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        if columns <= FEW {
            return Self::Few(Columns::pack(rows, columns, 1, at));
        }
        let lanes = lanes();
        let tile = if columns <= lanes { lanes } else { 2 * lanes };
        Self::Many(Columns::pack(rows, columns, tile, at))
    }

    /// Whether columns are multiplied one by one.
    pub(super) fn is_few(&self) -> bool {
        matches!(self, Self::Few(_))
    }

    /// Whether tiles are two vectors wide.
    pub(super) fn is_wide<S: Simd>(&self) -> bool {
        matches!(self, Self::Many(columns) if columns.tile() > S::F32_LANES)
    }

    /// `out[r][c] = Σᵢ rows[r][i] · self[i][c]`, the columns of a row together, `columns` of them.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    pub(super) fn times<S: Simd, const R: usize>(
        &self,
        simd: S,
        rows: [&[f32]; R],
        next: [&[f32]; R],
        columns: usize,
        out: &mut [f32],
    ) {
        match self {
            Self::Few(right) => {
                for (column, x) in right.tiles().enumerate() {
                    let sums = dots(simd, rows, x);
                    (0..R).for_each(|row| out[row * columns + column] = sums[row]);
                }
            }
            Self::Many(right) if right.tile() == S::F32_LANES => {
                tiles::<S, R, 1>(simd, right, rows, next, columns, out);
            }
            Self::Many(right) => tiles::<S, R, 2>(simd, right, rows, next, columns, out),
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn tiles<S: Simd, const R: usize, const C: usize>(
    simd: S,
    right: &Columns,
    rows: [&[f32]; R],
    next: [&[f32]; R],
    columns: usize,
    out: &mut [f32],
) {
    for (place, tile) in right.tiles().enumerate() {
        let (tile, _) = S::as_simd_f32s(tile).0.as_chunks::<C>();
        // The next rows are fetched once; after that the prefetches would only take up slots.
        let ahead = if place == 0 { next } else { [&[][..]; R] };
        let sums = products::<S, R, C>(simd, rows, ahead, tile);
        for (row, sums) in sums.iter().enumerate() {
            let first = place * C * S::F32_LANES;
            let out = &mut out[row * columns + first..(row + 1) * columns];
            for (part, sum) in out.chunks_mut(S::F32_LANES).zip(sums) {
                simd.partial_store_f32s(part, *sum);
            }
        }
    }
}

/// One dot product a row.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn dots<S: Simd, const R: usize>(simd: S, rows: [&[f32]; R], x: &[f32]) -> [f32; R] {
    let (x, rest) = S::as_simd_f32s(x);
    let mut sums = [simd.splat_f32s(0.0); R];
    let bodies: [&[S::f32s]; R] = std::array::from_fn(|row| &S::as_simd_f32s(rows[row]).0[..x.len()]);
    for (place, x) in x.iter().enumerate() {
        for (sum, body) in sums.iter_mut().zip(bodies) {
            *sum = simd.mul_add_e_f32s(body[place], *x, *sum);
        }
    }
    // A loop: a closure would be compiled without the caller's instruction set.
    let mut dots = [0.0; R];
    for ((dot, sum), row) in dots.iter_mut().zip(sums).zip(rows) {
        let tail = row[row.len() - rest.len()..].iter().zip(rest);
        *dot = simd.reduce_sum_f32s(sum) + tail.map(|(weight, x)| weight * x).sum::<f32>();
    }
    dots
}
