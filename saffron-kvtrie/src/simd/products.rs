//! The inner loop: some rows of a matrix times a tile of columns.

use pulp::Simd;

/// Numbers of a row between two prefetches: a cache line.
pub const PREFETCH_STEP: usize = 16;

/// Prefetches between which numbers are added up on their own before they join the rest: keeps the error of long sums down.
const BLOCK: usize = 12;

/// `R` rows times a tile of `C` vectors of columns: `Σᵢ rows[r][i] · columns[i][c]`.
///
/// `next` are the rows that will be asked for after these; they are fetched while these are worked on, since memory is what a product of
/// few columns waits for.
///
/// # Panics
///
/// When a row is shorter than there are columns' entries.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
pub fn products<S: Simd, const R: usize, const C: usize>(
    simd: S,
    rows: [&[f32]; R],
    next: [&[f32]; R],
    columns: &[[S::f32s; C]],
) -> [[S::f32s; C]; R] {
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    let (steps, rest) = columns.as_chunks::<PREFETCH_STEP>();
    for (block, steps) in steps.chunks(BLOCK).enumerate() {
        let mut part = [[simd.splat_f32s(0.0); C]; R];
        for (step, tile) in steps.iter().enumerate() {
            let from = (block * BLOCK + step) * PREFETCH_STEP;
            next.iter().filter_map(|row| row.get(from)).for_each(prefetch);
            let parts: [&[f32]; R] = std::array::from_fn(|row| &rows[row][from..from + PREFETCH_STEP]);
            add::<S, R, C>(simd, &mut part, parts, tile);
        }
        for (sums, part) in sums.iter_mut().zip(part) {
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum = simd.add_f32s(*sum, part);
            }
        }
    }
    let from = steps.len() * PREFETCH_STEP;
    let parts: [&[f32]; R] = std::array::from_fn(|row| &rows[row][from..from + rest.len()]);
    add::<S, R, C>(simd, &mut sums, parts, rest);
    sums
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn add<S: Simd, const R: usize, const C: usize>(
    simd: S,
    sums: &mut [[S::f32s; C]; R],
    rows: [&[f32]; R],
    columns: &[[S::f32s; C]],
) {
    for (place, column) in columns.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let weight = simd.splat_f32s(row[place]);
            for (sum, column) in sums.iter_mut().zip(column) {
                *sum = simd.mul_add_e_f32s(weight, *column, *sum);
            }
        }
    }
}

/// Adds `Σᵢ rows[i][from + r] · weights[i][c]` to `R` sums: the same with the matrix on its side, a row of it per weight.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
pub fn scaled_rows<'a, S: Simd, const R: usize, const C: usize>(
    simd: S,
    sums: &mut [[S::f32s; C]; R],
    rows: impl Iterator<Item = &'a [f32; R]>,
    weights: &[[S::f32s; C]],
) {
    for (row, weight) in rows.zip(weights) {
        for (sums, value) in sums.iter_mut().zip(row) {
            let value = simd.splat_f32s(*value);
            for (sum, weight) in sums.iter_mut().zip(weight) {
                *sum = simd.mul_add_e_f32s(value, *weight, *sum);
            }
        }
    }
}

/// Asks for a row that will be read soon.
#[inline(always)]
#[allow(clippy::inline_always, reason = "one instruction a cache line")]
pub fn fetch(row: &[f32]) {
    row.iter().step_by(PREFETCH_STEP).for_each(prefetch);
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "one instruction")]
fn prefetch(number: &f32) {
    #[cfg(target_arch = "x86_64")]
    safe_arch::prefetch_t1(number);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number;
}
