//! From the joint projection of queries, keys and values to what attention takes from the values, in one operation.

use std::sync::Arc;

use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;
use saffron_kvtrie::simd::dispatch;

use super::head::{Backward, Forward, Head};
use super::{Function, constant, record};
use crate::nn::view::View;
use crate::nn::{HeadShape, RopeRows};

/// Rotary attention within sequences of one length.
///
/// # Shapes
///
/// - joint: `[q + 2·kv, sequences · length]`
/// - output: `[q, sequences · length]`
pub(crate) fn attention(
    joint: &Tensor<2>,
    rope: Option<&RopeRows>,
    shape: &HeadShape,
    view: &Arc<View>,
) -> Option<Tensor<2>> {
    let rows = joint.dims()[1];
    if rows == 0 || rows != view.sequences * view.length {
        return None;
    }
    let angles = match rope {
        Some(rope) => Some([constant(rope.tables().0)?, constant(rope.tables().1)?]),
        None => None,
    };
    record(Attention { shape: *shape, angles, view: view.clone() }, joint)
}

#[derive(Clone, Debug)]
struct Attention {
    shape: HeadShape,
    /// Cosines and sines, where there is a rotation.
    angles: Option<[FlexTensor; 2]>,
    view: Arc<View>,
}

impl Function for Attention {
    fn forward(&self, joint: &[f32]) -> (Vec<f32>, [usize; 2]) {
        let shape = [self.shape.q(), self.view.sequences * self.view.length];
        let mut out = vec![0.0; shape[0] * shape[1]];
        let parts = self.parts(out.chunks_exact_mut(shape[1]).map(|row| row.chunks_exact_mut(self.view.length)));
        let tasks = self.heads(joint).into_par_iter().zip(parts);
        tasks.for_each(|(head, out)| dispatch(Forward { head, out }));
        (out, shape)
    }

    fn backward(&self, joint: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (length, rows) = (self.view.length, self.view.sequences * self.view.length);
        let mut out = vec![0.0; joint.len()];
        let parts = self.parts(out.chunks_exact_mut(rows).map(|row| row.chunks_exact_mut(length)));
        let gradients = self.parts(gradient.chunks_exact(rows).map(|row| row.chunks_exact(length)));
        let tasks = self.heads(joint).into_par_iter().zip(gradients).zip(parts);
        tasks.for_each(|((head, gradient), out)| dispatch(Backward { head, gradient, out }));
        out
    }
}

impl Attention {
    /// Deals rows of all sequences out to the tasks, head by head and within a head sequence by sequence: first the queries' rows, then,
    /// if there are any, the keys' and the values'.
    fn parts<T>(&self, rows: impl Iterator<Item = impl Iterator<Item = T>>) -> Vec<Vec<T>> {
        let (sequences, HeadShape { kv_heads, group, head_dim, .. }) = (self.view.sequences, self.shape);
        let mut parts: Vec<Vec<T>> = (0..kv_heads * sequences).map(|_| Vec::new()).collect();
        let queries = self.shape.q();
        for (row, pieces) in rows.enumerate() {
            let head = match row.checked_sub(queries) {
                None => row / (group * head_dim),
                Some(row) => row / head_dim % kv_heads,
            };
            parts[head * sequences..].iter_mut().zip(pieces).for_each(|(part, piece)| part.push(piece));
        }
        parts
    }

    /// What the tasks read.
    fn heads<'a>(&'a self, joint: &'a [f32]) -> Vec<Head<'a>> {
        let View { sequences, length, hidden, causal } = &*self.view;
        let rows = sequences * length;
        let parts = self.parts(joint.chunks_exact(rows).map(|row| row.chunks_exact(*length)));
        let masks = hidden.len() / (length * length);
        let head = |(task, mut queries): (usize, Vec<&'a [f32]>)| {
            let sequence = task % sequences;
            let angles = |table: usize| {
                // Made contiguous when the function was made.
                let table = self.angles.as_ref().and_then(|tables| tables[table].as_slice::<f32>()).unwrap_or_default();
                let rows = table.chunks_exact(rows);
                rows.map(|row| &row[sequence * length..(sequence + 1) * length]).collect()
            };
            let HeadShape { group, head_dim, scale, cap, .. } = self.shape;
            let values = queries.split_off((group + 1) * head_dim);
            let keys = queries.split_off(group * head_dim);
            let mask = sequence % masks * length * length;
            let hidden = &hidden[mask..mask + length * length];
            let (scale, cap) = (scale as f32, cap.map(|cap| cap as f32));
            Head { queries, keys, values, cos: angles(0), sin: angles(1), hidden, causal: *causal, scale, cap }
        };
        parts.into_iter().enumerate().map(head).collect()
    }
}
