//! From tiles to tasks and back: which head, which tile, which of its keys; the outputs joined.

use std::ops::Range;

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::plan::{Tile, Tiles};
use super::state::State;
use super::task::Task;
use super::{BLOCK, LANES, few, many};
use crate::attention::AttentionShape;
use crate::pool::KvPools;
use crate::simd::{dispatch, flex, flex_tensor};

/// Products from which on threads pay.
const PARALLEL: usize = 1 << 18;

/// Where heads and tiles alone make fewer tasks than this, the keys of a tile are parted too.
const FEW_TASKS: usize = 8;

/// Keys of a part. Fixed, so that sums do not depend on the number of threads.
const PART: usize = 4 * BLOCK;

impl Tiles {
    /// Attends for all rows; none when the tensors are not for this kernel.
    ///
    /// # Shapes
    ///
    /// - queries: `[kv_heads, rows, group, head_dim]`
    /// - output: `[kv_heads · group · head_dim, rows]`
    pub(in crate::attention) fn attend(
        &self,
        shape: AttentionShape,
        pools: &KvPools,
        layer: usize,
        queries: &Tensor<4>,
    ) -> Option<Tensor<2>> {
        let AttentionShape { kv_heads, group, head_dim: width } = shape;
        let Self { tiles, cap } = self;
        let rows = queries.dims()[1];
        let (keys, values) = pools.tensors(layer);
        let (keys, values, queries) = (flex(keys)?, flex(values)?, flex(queries)?.to_contiguous());
        let (keys, values, queries) = (keys.as_slice::<f32>()?, values.as_slice::<f32>()?, queries.as_slice::<f32>()?);
        let pool = keys.len() / kv_heads;
        let one = |place: &Place| {
            let (head, tile) = (place.head, &tiles[place.tile]);
            let first = (head * rows + tile.rows.start) * group * width;
            let at = head * pool..(head + 1) * pool;
            let queries = &queries[first..first + tile.rows.len() * group * width];
            let (keys, values) = (&keys[at.clone()], &values[at]);
            dispatch(Task { tile, seen: place.keys.clone(), queries, keys, values, group, cap: *cap, width })
        };
        let places = places(tiles, kv_heads);
        let products: usize = tiles.iter().map(Tile::keys).sum::<usize>() * LANES * width * kv_heads;
        let parts: Vec<State> =
            if products >= PARALLEL { places.par_iter().map(one).collect() } else { places.iter().map(one).collect() };
        let mut joined = vec![0.0; kv_heads * group * width * rows];
        for (place, output) in merged(places, parts) {
            let tile = &tiles[place.tile];
            for lane in 0..tile.rows.len() * group {
                let (row, member) = (tile.rows.start + lane / group, lane % group);
                let from = (place.head * group + member) * width * rows + row;
                output.iter().enumerate().for_each(|(index, lanes)| joined[from + index * rows] = lanes[lane]);
            }
        }
        Some(flex_tensor(joined, [kv_heads * group * width, rows]))
    }
}

/// A head of some keys of a tile.
struct Place {
    head: usize,
    tile: usize,
    keys: Range<usize>,
}

/// All of them, the parts of a tile one after the other.
fn places(tiles: &[Tile], heads: usize) -> Vec<Place> {
    let pairs = (0..heads).flat_map(|head| (0..tiles.len()).map(move |tile| (head, tile)));
    let part = if heads * tiles.len() < FEW_TASKS { PART } else { usize::MAX };
    let parts = |(head, tile): (usize, usize)| {
        let keys = tiles[tile].keys();
        (0..keys.div_ceil(part).max(1)).map(move |at| Place {
            head,
            tile,
            keys: at * part..at.saturating_add(1).saturating_mul(part).min(keys),
        })
    };
    pairs.flat_map(parts).collect()
}

/// The outputs of tiles, their parts merged in order: `[width][lanes]` each.
fn merged(places: Vec<Place>, parts: Vec<State>) -> Vec<(Place, Vec<[f32; LANES]>)> {
    let mut whole: Vec<(Place, State)> = Vec::with_capacity(parts.len());
    for (place, part) in places.into_iter().zip(parts) {
        match whole.pop() {
            Some((same, state)) if place.keys.start > 0 => whole.push((same, state.merge(part))),
            before => whole.extend(before.into_iter().chain([(place, part)])),
        }
    }
    whole.into_iter().map(|(place, state)| (place, state.finish())).collect()
}

impl WithSimd for Task<'_> {
    type Output = State;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> State {
        match self.queries.len() / self.width {
            1 => few::run::<S, 1>(simd, &self),
            2 => few::run::<S, 2>(simd, &self),
            3 => few::run::<S, 3>(simd, &self),
            4 => few::run::<S, 4>(simd, &self),
            _ => many::run(simd, &self),
        }
    }
}
