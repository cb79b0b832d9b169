//! From the joint projection to rotated heads, in one pass.

use burn::tensor::Tensor;
use rayon::prelude::*;
use saffron_kvtrie::simd::{flex, flex_tensor};

use crate::config::DecoderConfig;
use crate::nn::RopeRows;

/// Numbers from which on threads pay.
const PARALLEL: usize = 1 << 17;

/// Queries, keys and values as attention takes them.
///
/// # Shapes
///
/// - joint: `[q + 2·kv, rows]`
/// - queries: `[kv_heads, rows, group, head_dim]`, rotated and scaled by `1/√head_dim`
/// - keys, values: `[kv_heads, rows, head_dim]`, keys rotated
pub(crate) fn split_heads(
    joint: &Tensor<2>,
    rope: &RopeRows,
    config: &DecoderConfig,
) -> Option<(Tensor<4>, Tensor<3>, Tensor<3>)> {
    let (heads, group, width) = (config.num_key_value_heads, config.group(), config.head_dim);
    let rows = joint.dims()[1];
    if rows == 0 {
        return None;
    }
    let joint = flex(joint)?;
    let (cos, sin) = rope.tables();
    let (cos, sin) = (flex(cos)?, flex(sin)?);
    let source = Source { joint: joint.as_slice()?, cos: cos.as_slice()?, sin: sin.as_slice()?, rows, width };
    let mut queries = vec![0.0; heads * rows * group * width];
    let (mut keys, mut values) = (vec![0.0; heads * rows * width], vec![0.0; heads * rows * width]);
    let scale = 1.0 / (width as f32).sqrt();
    let head = |head: usize, queries: &mut [f32], keys: &mut [f32], values: &mut [f32]| {
        for member in 0..group {
            source.rotate(head * group + member, scale, |row| (row * group + member) * width, queries);
        }
        source.rotate(heads * group + head, 1.0, |row| row * width, keys);
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
    cos: &'a [f32],
    sin: &'a [f32],
    rows: usize,
    width: usize,
}

impl Source<'_> {
    /// Rotates one head; `place` is where a row of it begins in `out`.
    fn rotate(&self, head: usize, scale: f32, place: impl Fn(usize) -> usize, out: &mut [f32]) {
        let (rows, half) = (self.rows, self.width / 2);
        let (low, high) = self.head(head).split_at(half * rows);
        let pairs = low.chunks_exact(rows).zip(high.chunks_exact(rows));
        let angles = self.cos.chunks_exact(rows).zip(self.sin.chunks_exact(rows));
        for (index, ((low, high), (cos, sin))) in pairs.zip(angles).enumerate() {
            for row in 0..rows {
                let at = place(row) + index;
                out[at] = (low[row] * cos[row] - high[row] * sin[row]) * scale;
                out[at + half] = (high[row] * cos[row] + low[row] * sin[row]) * scale;
            }
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
