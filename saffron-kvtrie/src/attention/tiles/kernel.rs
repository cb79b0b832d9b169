//! One tile's attention: scores, softmax and mixing in blocks of keys, the softmax's maximum and sum carried along (online softmax).

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use saffron_core::numeric::exp_nonpositive;

use super::{LANES, Tile};
use crate::attention::AttentionShape;
use crate::pool::KvPools;
use crate::simd::{dispatch, flex, flex_tensor, products, scaled_rows};

/// Keys of a block.
const BLOCK: usize = 64;

/// A score that vanishes beside any other.
const HIDDEN: f32 = -1e30;

/// Products from which on threads pay.
const PARALLEL: usize = 1 << 18;

/// A number for every lane.
type Lane = [f32; LANES];

/// Attends for all rows; none when the tensors are not for this kernel.
///
/// # Shapes
///
/// - queries: `[kv_heads, rows, group, head_dim]`
/// - output: `[kv_heads · group · head_dim, rows]`
pub(in crate::attention) fn attend(
    tiles: &[Tile],
    shape: AttentionShape,
    pools: &KvPools,
    layer: usize,
    queries: &Tensor<4>,
) -> Option<Tensor<2>> {
    let AttentionShape { kv_heads, group, head_dim } = shape;
    let rows = queries.dims()[1];
    let (keys, values) = pools.tensors(layer);
    let (keys, values, queries) = (flex(keys)?, flex(values)?, flex(queries)?.to_contiguous());
    let (keys, values, queries) = (keys.as_slice::<f32>()?, values.as_slice::<f32>()?, queries.as_slice::<f32>()?);
    let pool = keys.len() / kv_heads;
    let one = |place: usize| {
        let (head, tile) = (place / tiles.len(), &tiles[place % tiles.len()]);
        let first = (head * rows + tile.rows.start) * group * head_dim;
        let lanes = tile.rows.len() * group;
        let at = head * pool..(head + 1) * pool;
        let queries = &queries[first..first + lanes * head_dim];
        dispatch(Task { tile, queries, keys: &keys[at.clone()], values: &values[at], group, width: head_dim })
    };
    let pairs: usize = tiles.iter().map(Tile::keys).sum::<usize>() * LANES * head_dim * kv_heads;
    let places = 0..kv_heads * tiles.len();
    let outputs: Vec<Vec<Lane>> =
        if pairs >= PARALLEL { places.into_par_iter().map(one).collect() } else { places.map(one).collect() };
    let mut joined = vec![0.0; kv_heads * group * head_dim * rows];
    for (place, output) in outputs.iter().enumerate() {
        let (head, tile) = (place / tiles.len(), &tiles[place % tiles.len()]);
        for lane in 0..tile.rows.len() * group {
            let (row, member) = (tile.rows.start + lane / group, lane % group);
            let from = (head * group + member) * head_dim * rows + row;
            output.iter().enumerate().for_each(|(index, lanes)| joined[from + index * rows] = lanes[lane]);
        }
    }
    Some(flex_tensor(joined, [kv_heads * group * head_dim, rows]))
}

impl Tile {
    /// Number of slots that are read.
    fn keys(&self) -> usize {
        self.shared.iter().map(|extent| extent.len as usize).sum::<usize>() + self.own.len()
    }
}

/// One head of one tile.
struct Task<'a> {
    tile: &'a Tile,
    /// `[lanes, width]`
    queries: &'a [f32],
    /// `[slots, width]`
    keys: &'a [f32],
    values: &'a [f32],
    group: usize,
    width: usize,
}

impl WithSimd for Task<'_> {
    /// `[width][lanes]`
    type Output = Vec<Lane>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Lane> {
        match LANES / S::F32_LANES {
            1 => self.run::<S, 8, 1>(simd),
            2 => self.run::<S, 6, 2>(simd),
            4 => self.run::<S, 3, 4>(simd),
            8 => self.run::<S, 1, 8>(simd),
            _ => self.run::<S, 1, 16>(simd),
        }
    }
}

/// Maximum, sum and mixed values of the softmax so far.
struct State {
    max: Lane,
    sum: Lane,
    mixed: Vec<Lane>,
}

impl Task<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn run<S: Simd, const R: usize, const C: usize>(self, simd: S) -> Vec<Lane> {
        let mut queries = vec![[0.0; LANES]; self.width];
        for (lane, query) in self.queries.chunks_exact(self.width).enumerate() {
            queries.iter_mut().zip(query).for_each(|(lanes, value)| lanes[lane] = *value);
        }
        let queries = S::as_simd_f32s(queries.as_flattened()).0.as_chunks::<C>().0;
        let mut state = State { max: [HIDDEN; LANES], sum: [0.0; LANES], mixed: vec![[0.0; LANES]; self.width] };
        let mut slots = [0u32; BLOCK];
        let shared = self.tile.shared.iter().flat_map(|extent| extent.slots());
        let mut all = shared.map(|slot| (slot, u16::MAX)).chain(self.tile.own.iter().copied());
        let mut scores = [[0.0; LANES]; BLOCK];
        let mut seen = [0u16; BLOCK];
        loop {
            let mut count = 0;
            for (slot, mask) in all.by_ref().take(BLOCK) {
                (slots[count], seen[count]) = (slot, mask);
                count += 1;
            }
            if count == 0 {
                break;
            }
            self.score::<S, R, C>(simd, queries, &slots[..count], &mut scores);
            for (scores, seen) in scores[..count].iter_mut().zip(seen).filter(|(_, seen)| *seen != u16::MAX) {
                self.hide(scores, seen);
            }
            state.weigh(&mut scores[..count]);
            self.mix::<S, R, C>(simd, &slots[..count], &scores[..count], &mut state.mixed);
        }
        let scale = state.sum.map(|sum| 1.0 / sum);
        state.mixed.iter_mut().for_each(|mixed| mixed.iter_mut().zip(scale).for_each(|(mixed, scale)| *mixed *= scale));
        state.mixed
    }

    /// Scores of some keys, for all lanes.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn score<S: Simd, const R: usize, const C: usize>(
        &self,
        simd: S,
        queries: &[[S::f32s; C]],
        slots: &[u32],
        scores: &mut [Lane; BLOCK],
    ) {
        for (slots, scores) in slots.chunks(R).zip(scores.chunks_mut(R)) {
            // At the end the last key is scored again in place of those that are not there.
            let rows: [&[f32]; R] = std::array::from_fn(|place| self.row(self.keys, slots[place.min(slots.len() - 1)]));
            let sums = products::<S, R, C>(simd, rows, [&[]; R], queries);
            for (score, sums) in scores[..slots.len()].iter_mut().zip(&sums) {
                let parts = score.chunks_exact_mut(S::F32_LANES);
                parts.zip(sums).for_each(|(part, sum)| simd.partial_store_f32s(part, *sum));
            }
        }
    }

    /// Hides a key from the lanes of rows that do not see it.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn hide(&self, scores: &mut Lane, seen: u16) {
        for (row, lanes) in scores.chunks_mut(self.group).enumerate() {
            if seen & (1 << row) == 0 {
                lanes.fill(HIDDEN);
            }
        }
    }

    /// Adds some keys' values, weighed.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn mix<S: Simd, const R: usize, const C: usize>(
        &self,
        simd: S,
        slots: &[u32],
        weights: &[Lane],
        mixed: &mut [Lane],
    ) {
        let weights = S::as_simd_f32s(weights.as_flattened()).0.as_chunks::<C>().0;
        let (whole, rest) = mixed.as_chunks_mut::<R>();
        for (place, mixed) in whole.iter_mut().enumerate() {
            let rows = slots.iter().map(|slot| &self.row(self.values, *slot).as_chunks::<R>().0[place]);
            mix_part::<S, R, C>(simd, rows, weights, mixed);
        }
        let from = whole.len() * R;
        for (place, mixed) in rest.iter_mut().enumerate() {
            let rows = slots.iter().map(|slot| &self.row(self.values, *slot)[from..].as_chunks::<1>().0[place]);
            mix_part::<S, 1, C>(simd, rows, weights, std::array::from_mut(mixed));
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a slice")]
    fn row<'b>(&self, pool: &'b [f32], slot: u32) -> &'b [f32] {
        &pool[slot as usize * self.width..][..self.width]
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

impl State {
    /// Turns scores into weights relative to the largest so far, and what was mixed before along with them.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn weigh(&mut self, scores: &mut [Lane]) {
        let mut max = self.max;
        for scores in scores.iter() {
            max.iter_mut().zip(scores).for_each(|(max, score)| *max = if *score > *max { *score } else { *max });
        }
        if max != self.max {
            let mut scale = [0.0; LANES];
            let pairs = scale.iter_mut().zip(self.max.iter().zip(&max));
            pairs.for_each(|(scale, (old, new))| *scale = exp_nonpositive(old - new));
            for lanes in self.mixed.iter_mut().chain([&mut self.sum]) {
                lanes.iter_mut().zip(&scale).for_each(|(value, scale)| *value *= scale);
            }
            self.max = max;
        }
        for scores in scores {
            for ((score, max), sum) in scores.iter_mut().zip(&max).zip(&mut self.sum) {
                *score = exp_nonpositive(*score - max);
                *sum += *score;
            }
        }
    }
}
