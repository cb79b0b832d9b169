//! The soft cap on scores: `cap · tanh(score / cap)`.

use saffron_core::numeric::exp_nonpositive;

/// Below this a quotient of exponentials loses digits that a series has.
const SMALL: f32 = 0.25;

/// Caps scores in place.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
pub(super) fn cap(scores: &mut [f32], cap: f32) {
    let inverse = 1.0 / cap;
    // A loop: a closure would be compiled without the caller's instruction set.
    for score in scores {
        *score = cap * tanh(*score * inverse);
    }
}

/// tanh to about two units in the last place, in operations that compilers turn into vector
/// instructions.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn tanh(x: f32) -> f32 {
    let square = x * x;
    let mut series = 62.0 / 2835.0;
    for term in [-17.0 / 315.0, 2.0 / 15.0, -1.0 / 3.0, 1.0] {
        series = series * square + term;
    }
    let below = exp_nonpositive(-2.0 * x.abs());
    let quotient = ((1.0 - below) / (1.0 + below)).copysign(x);
    if x.abs() < SMALL { x * series } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyperbolic_tangents_are_those_of_the_standard_library() {
        for step in -200_000..=200_000 {
            let x = 1e-4 * step as f32;
            let (found, expected) = (f64::from(tanh(x)), f64::from(x).tanh());
            assert!((found - expected).abs() <= 5e-7 * expected.abs(), "tanh({x}) = {found}, not {expected}");
        }
        assert_eq!([f32::INFINITY, f32::NEG_INFINITY, 1e30].map(tanh), [1.0, -1.0, 1.0]);
        assert!(tanh(f32::NAN).is_nan());
    }

    #[test]
    fn scores_keep_their_sign_and_stay_within_the_cap() {
        let mut scores = [-1e30, -50.0, -0.5, 0.0, 0.5, 50.0, 1e30];
        cap(&mut scores, 50.0);
        let expected = [-50.0, -50.0 * 1f32.tanh(), -0.499_983_33, 0.0, 0.499_983_33, 50.0 * 1f32.tanh(), 50.0];
        for (found, expected) in scores.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-5, "{found} for {expected}");
        }
    }
}
