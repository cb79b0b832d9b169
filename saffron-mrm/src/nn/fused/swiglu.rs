//! The gated activation of a joint projection.

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use saffron_core::numeric::exp_nonpositive;
use saffron_kvtrie::simd::dispatch;

use super::{Function, record};

/// Numbers of a task.
const CHUNK: usize = 1 << 14;

/// `silu(g) · u`
///
/// # Shapes
///
/// - joint: `[2 · out, rows]`, gate above up
/// - output: `[out, rows]`
pub(crate) fn swiglu(joint: &Tensor<2>) -> Option<Tensor<2>> {
    let [height, rows] = joint.dims();
    record(Swiglu { width: height / 2, rows }, joint)
}

#[derive(Clone, Debug)]
struct Swiglu {
    width: usize,
    rows: usize,
}

impl Function for Swiglu {
    fn forward(&self, joint: &[f32]) -> (Vec<f32>, [usize; 2]) {
        let (gate, up) = joint.split_at(self.width * self.rows);
        let mut out = vec![0.0; gate.len()];
        let parts = out.par_chunks_mut(CHUNK).zip(gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK)));
        parts.for_each(|(out, (gate, up))| dispatch(Value { gate, up, out }));
        (out, [self.width, self.rows])
    }

    fn backward(&self, joint: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (gate, up) = joint.split_at(self.width * self.rows);
        let mut out = vec![0.0; joint.len()];
        let (by_gate, by_up) = out.split_at_mut(gate.len());
        let inputs = gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK)).zip(gradient.par_chunks(CHUNK));
        let outputs = by_gate.par_chunks_mut(CHUNK).zip(by_up.par_chunks_mut(CHUNK));
        inputs.zip(outputs).for_each(|(((gate, up), gradient), (by_gate, by_up))| {
            dispatch(Derivative { gate, up, gradient, by_gate, by_up });
        });
        out
    }
}

struct Value<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Value<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let places = self.out.iter_mut().zip(self.gate).zip(self.up);
        places.for_each(|((out, gate), up)| *out = gate * sigmoid(*gate) * up);
    }
}

struct Derivative<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    gradient: &'a [f32],
    by_gate: &'a mut [f32],
    by_up: &'a mut [f32],
}

impl WithSimd for Derivative<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let inputs = self.gate.iter().zip(self.up).zip(self.gradient);
        let outputs = self.by_gate.iter_mut().zip(self.by_up);
        inputs.zip(outputs).for_each(|(((gate, up), gradient), (by_gate, by_up))| {
            let open = sigmoid(*gate);
            *by_gate = gradient * up * open * (1.0 + gate * (1.0 - open));
            *by_up = gradient * gate * open;
        });
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn sigmoid(x: f32) -> f32 {
    let below = exp_nonpositive(-x.abs());
    let top = if x < 0.0 { below } else { 1.0 };
    top / (1.0 + below)
}
