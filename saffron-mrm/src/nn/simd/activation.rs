//! The function of the MLP's gate.

use saffron_core::numeric::{exp_nonpositive, sigmoid};

use crate::config::Activation;

/// `√(8/π)` and the share of the cube in GELU's tanh form.
pub(crate) const GELU: (f32, f32) = (1.595_769, 0.044_715);

/// `f(gate) · up` in the place of the gate. Loops: a closure would be compiled without the caller's instruction set.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
pub(super) fn gate(activation: Activation, gate: &mut [f32], up: &[f32]) {
    match activation {
        Activation::Silu => {
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = silu(*gate) * *up;
            }
        }
        Activation::GeluTanh => {
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = gelu(*gate) * *up;
            }
        }
    }
}

/// `x · σ(x)`
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn silu(x: f32) -> f32 {
    let below = exp_nonpositive(-x.abs());
    let top = if x < 0.0 { below } else { 1.0 };
    x * top / (1.0 + below)
}

/// `x · σ(√(8/π) · (x + 0.044715 x³))`
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn gelu(x: f32) -> f32 {
    x * sigmoid(GELU.0 * (x + GELU.1 * x * x * x))
}
