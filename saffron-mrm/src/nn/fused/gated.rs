//! The gated activation of a joint projection.

use std::marker::PhantomData;

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use saffron_core::numeric::sigmoid;
use saffron_kvtrie::simd::dispatch;

use super::{Function, record};
use crate::config::Activation;
use crate::nn::simd::GELU;

/// Numbers of a task.
const CHUNK: usize = 1 << 14;

/// `f(g) · u`
///
/// # Shapes
///
/// - joint: `[2 · out, rows]`, gate above up
/// - output: `[out, rows]`
pub(crate) fn gated(joint: &Tensor<2>, activation: Activation) -> Option<Tensor<2>> {
    let [height, rows] = joint.dims();
    record(Gated { width: height / 2, rows, activation }, joint)
}

#[derive(Clone, Debug)]
struct Gated {
    width: usize,
    rows: usize,
    activation: Activation,
}

impl Function for Gated {
    fn forward(&self, joint: &[f32]) -> (Vec<f32>, [usize; 2]) {
        let (gate, up) = joint.split_at(self.width * self.rows);
        let mut out = vec![0.0; gate.len()];
        let parts = out.par_chunks_mut(CHUNK).zip(gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK)));
        parts.for_each(|(out, (gate, up))| match self.activation {
            Activation::Silu => dispatch(Value::<Silu> { gate, up, out, by: PhantomData }),
            Activation::GeluTanh => dispatch(Value::<Gelu> { gate, up, out, by: PhantomData }),
        });
        (out, [self.width, self.rows])
    }

    fn backward(&self, joint: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (gate, up) = joint.split_at(self.width * self.rows);
        let mut out = vec![0.0; joint.len()];
        let (by_gate, by_up) = out.split_at_mut(gate.len());
        let inputs = gate.par_chunks(CHUNK).zip(up.par_chunks(CHUNK)).zip(gradient.par_chunks(CHUNK));
        let outputs = by_gate.par_chunks_mut(CHUNK).zip(by_up.par_chunks_mut(CHUNK));
        inputs.zip(outputs).for_each(|(((gate, up), gradient), (by_gate, by_up))| match self.activation {
            Activation::Silu => dispatch(Derivative::<Silu> { gate, up, gradient, by_gate, by_up, by: PhantomData }),
            Activation::GeluTanh => {
                dispatch(Derivative::<Gelu> { gate, up, gradient, by_gate, by_up, by: PhantomData });
            }
        });
        out
    }
}

/// A function of the form `x · σ(u(x))`.
trait Curve {
    /// `σ(u(x))` and `u'(x)`.
    fn at(x: f32) -> (f32, f32);
}

struct Silu;

struct Gelu;

impl Curve for Silu {
    #[inline(always)]
    fn at(x: f32) -> (f32, f32) {
        (sigmoid(x), 1.0)
    }
}

impl Curve for Gelu {
    #[inline(always)]
    fn at(x: f32) -> (f32, f32) {
        let (scale, share) = GELU;
        (sigmoid(scale * (x + share * x * x * x)), scale * (1.0 + 3.0 * share * x * x))
    }
}

struct Value<'a, C> {
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
    by: PhantomData<C>,
}

impl<C: Curve> WithSimd for Value<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let places = self.out.iter_mut().zip(self.gate).zip(self.up);
        places.for_each(|((out, gate), up)| *out = gate * C::at(*gate).0 * up);
    }
}

struct Derivative<'a, C> {
    gate: &'a [f32],
    up: &'a [f32],
    gradient: &'a [f32],
    by_gate: &'a mut [f32],
    by_up: &'a mut [f32],
    by: PhantomData<C>,
}

impl<C: Curve> WithSimd for Derivative<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let inputs = self.gate.iter().zip(self.up).zip(self.gradient);
        let outputs = self.by_gate.iter_mut().zip(self.by_up);
        inputs.zip(outputs).for_each(|(((gate, up), gradient), (by_gate, by_up))| {
            let (open, slope) = C::at(*gate);
            *by_gate = gradient * up * open * (1.0 + gate * slope * (1.0 - open));
            *by_up = gradient * gate * open;
        });
    }
}
