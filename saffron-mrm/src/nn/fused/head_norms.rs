//! Norms of queries and keys in the joint projection.

use burn::tensor::Tensor;

use super::norm::Norm;
use super::{Function, record};
use crate::nn::{HeadNorms, HeadShape};

/// The joint projection with its queries and keys normed, head by head or all heads together.
///
/// # Shapes
///
/// - joint, output: `[q + 2·kv, rows]`
pub(crate) fn head_norms(joint: &Tensor<2>, norms: &HeadNorms, shape: &HeadShape) -> Option<Tensor<2>> {
    let rows = joint.dims()[1];
    if rows == 0 {
        return None;
    }
    let norm = |norm: &crate::nn::RmsNorm| Norm::new(norm.multiplier(), rows, norm.eps());
    let parts = [(norm(&norms.query)?, shape.q()), (norm(&norms.key)?, shape.kv())];
    record(JointNorms { parts, rows }, joint)
}

/// Norms of the first features, each over so many of them, in as many pieces as it is wide; the
/// rest stays.
#[derive(Clone, Debug)]
struct JointNorms {
    parts: [(Norm, usize); 2],
    rows: usize,
}

impl JointNorms {
    /// The norms' pieces as ranges of numbers, in order.
    fn pieces(&self) -> impl Iterator<Item = (&Norm, std::ops::Range<usize>)> {
        let mut from = 0;
        let parts = self.parts.iter().map(move |(norm, features)| {
            let first = from;
            from += features;
            (norm, first, *features)
        });
        parts.flat_map(|(norm, first, features)| {
            let (width, rows) = (norm.width(), self.rows);
            (first..first + features).step_by(width).map(move |at| (norm, at * rows..(at + width) * rows))
        })
    }
}

impl Function for JointNorms {
    fn forward(&self, joint: &[f32]) -> (Vec<f32>, [usize; 2]) {
        let mut out = joint.to_vec();
        for (norm, piece) in self.pieces() {
            out[piece.clone()].copy_from_slice(&norm.forward(&joint[piece]).0);
        }
        (out, [joint.len() / self.rows, self.rows])
    }

    fn backward(&self, joint: &[f32], gradient: &[f32]) -> Vec<f32> {
        let mut out = gradient.to_vec();
        for (norm, piece) in self.pieces() {
            out[piece.clone()].copy_from_slice(&norm.backward(&joint[piece.clone()], &gradient[piece]));
        }
        out
    }
}
