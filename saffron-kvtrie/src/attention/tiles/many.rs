//! The kernel of tiles with many lanes: a lane a query, a number of a key at a time.

use pulp::Simd;

use super::state::State;
use super::task::{Block, Task};
use super::{BLOCK, HIDDEN, LANES, Lane};
use crate::simd::{products, scaled_rows};

/// Attends for a task.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
pub(super) fn run<S: Simd>(simd: S, task: &Task<'_>) -> State {
    match LANES / S::F32_LANES {
        1 => blocks::<S, 8, 1>(simd, task),
        2 => blocks::<S, 6, 2>(simd, task),
        4 => blocks::<S, 3, 4>(simd, task),
        8 => blocks::<S, 1, 8>(simd, task),
        _ => blocks::<S, 1, 16>(simd, task),
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn blocks<S: Simd, const R: usize, const C: usize>(simd: S, task: &Task<'_>) -> State {
    let mut queries = vec![[0.0; LANES]; task.width];
    for (lane, query) in task.queries.chunks_exact(task.width).enumerate() {
        queries.iter_mut().zip(query).for_each(|(lanes, value)| lanes[lane] = *value);
    }
    let queries = S::as_simd_f32s(queries.as_flattened()).0.as_chunks::<C>().0;
    let mut state = State::new(task.width);
    let mut scores = [[0.0; LANES]; BLOCK];
    for block in task.blocks() {
        let slots = block.slots();
        let scores = &mut scores[..slots.len()];
        score::<S, R, C>(simd, task, queries, &block, scores);
        if let Some(cap) = task.cap {
            super::cap::cap(scores.as_flattened_mut(), cap);
        }
        block.partly_seen().for_each(|(place, seen)| hide(&mut scores[place], seen, task.group));
        state.weigh(scores);
        mix::<S, R, C>(simd, task, slots, scores, &mut state.mixed);
    }
    state
}

/// Scores of some keys, for all lanes.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn score<S: Simd, const R: usize, const C: usize>(
    simd: S,
    task: &Task<'_>,
    queries: &[[S::f32s; C]],
    block: &Block,
    scores: &mut [Lane],
) {
    for (place, (slots, scores)) in block.slots().chunks(R).zip(scores.chunks_mut(R)).enumerate() {
        task.fetch(block, place * R, R);
        // At the end the last key is scored again in place of those that are not there.
        let rows: [&[f32]; R] = std::array::from_fn(|place| task.key(slots[place.min(slots.len() - 1)]));
        let sums = products::<S, R, C>(simd, rows, [&[]; R], queries);
        for (score, sums) in scores.iter_mut().zip(&sums) {
            let parts = score.chunks_exact_mut(S::F32_LANES);
            parts.zip(sums).for_each(|(part, sum)| simd.partial_store_f32s(part, *sum));
        }
    }
}

/// Hides a key from the lanes of rows that do not see it.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn hide(scores: &mut Lane, seen: u16, group: usize) {
    for (row, lanes) in scores.chunks_mut(group).enumerate() {
        if seen & (1 << row) == 0 {
            lanes.fill(HIDDEN);
        }
    }
}

/// Adds some keys' values, weighed.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn mix<S: Simd, const R: usize, const C: usize>(
    simd: S,
    task: &Task<'_>,
    slots: &[u32],
    weights: &[Lane],
    mixed: &mut [Lane],
) {
    let weights = S::as_simd_f32s(weights.as_flattened()).0.as_chunks::<C>().0;
    let (whole, rest) = mixed.as_chunks_mut::<R>();
    for (place, mixed) in whole.iter_mut().enumerate() {
        let rows = slots.iter().map(|slot| &task.value(*slot).as_chunks::<R>().0[place]);
        mix_part::<S, R, C>(simd, rows, weights, mixed);
    }
    let from = whole.len() * R;
    for (place, mixed) in rest.iter_mut().enumerate() {
        let rows = slots.iter().map(|slot| &task.value(*slot)[from..].as_chunks::<1>().0[place]);
        mix_part::<S, 1, C>(simd, rows, weights, std::array::from_mut(mixed));
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn mix_part<'a, S: Simd, const R: usize, const C: usize>(
    simd: S,
    rows: impl Iterator<Item = &'a [f32; R]>,
    weights: &[[S::f32s; C]],
    mixed: &mut [Lane; R],
) {
    let mut sums = mixed.map(|lanes| S::as_simd_f32s(&lanes).0.as_chunks::<C>().0[0]);
    scaled_rows::<S, R, C>(simd, &mut sums, rows, weights);
    for (mixed, sums) in mixed.iter_mut().zip(&sums) {
        let parts = mixed.chunks_exact_mut(S::F32_LANES);
        parts.zip(sums).for_each(|(part, sum)| simd.partial_store_f32s(part, *sum));
    }
}
