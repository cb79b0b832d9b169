//! Arithmetic that compilers can turn into vector instructions.

/// exp of a number that is not positive, to about two units in the last place, in operations that compilers turn into vector
/// instructions (the standard library's is a call). What is too small for float32, −∞ included, gives less than 2e-38; NaN gives NaN.
///
/// ```
/// let (found, expected) = (saffron_core::numeric::exp_nonpositive(-1.5), (-1.5f32).exp());
/// assert!((found - expected).abs() < 1e-7);
/// ```
///
/// `x = k·ln 2 + r` with |r| ≤ ln 2 / 2, so that `exp(x) = 2^k · exp(r)`, the latter by its Taylor series.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always, reason = "callers compile it with the vector instructions they have chosen")]
pub fn exp_nonpositive(x: f32) -> f32 {
    /// Adding 1.5 · 2²³ to a small float32 and subtracting it again rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with few digits, so that `k` times it is exact.
    const LN2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (x - k * LN2.0) - k * LN2.1;
    let mut series = 1.0 / 5040.0;
    for divisor in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        series = series * r + 1.0 / divisor;
    }
    // The shifted number's low bits are k; −87 ≤ x ≤ 0 keeps it between −126 and 0, so that 2^k is an ordinary number.
    let k = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    f32::from_bits(k.wrapping_add(127) << 23) * series
}

/// `tanh(x)`, in plain arithmetic like [`exp_nonpositive`]; its error is below 2·10⁻⁷.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always, reason = "callers compile it with the vector instructions they have chosen")]
pub fn tanh(x: f32) -> f32 {
    let below = exp_nonpositive(-2.0 * x.abs());
    let size = (1.0 - below) / (1.0 + below);
    if x < 0.0 { -size } else { size }
}

/// `σ(x) = 1 / (1 + e^−x)`, in plain arithmetic like [`exp_nonpositive`].
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always, reason = "callers compile it with the vector instructions they have chosen")]
pub fn sigmoid(x: f32) -> f32 {
    let below = exp_nonpositive(-x.abs());
    let top = if x < 0.0 { below } else { 1.0 };
    top / (1.0 + below)
}

#[cfg(test)]
mod tests {
    #[test]
    fn hyperbolic_tangents_and_sigmoids_are_those_of_the_standard_library() {
        for step in -200_000..200_000 {
            let x = 1e-4 * step as f32;
            let expected = f64::from(x).tanh();
            assert!((f64::from(super::tanh(x)) - expected).abs() < 2e-7, "tanh({x})");
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(super::sigmoid(x)) - expected).abs() <= 5e-7 * expected, "sigmoid({x})");
        }
        assert!(super::tanh(f32::NAN).is_nan() && super::sigmoid(f32::NAN).is_nan());
        assert_eq!((super::tanh(f32::INFINITY), super::tanh(f32::NEG_INFINITY)), (1.0, -1.0));
    }

    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        for step in 0..870_000 {
            let x = -1e-4 * step as f32;
            let (found, expected) = (f64::from(super::exp_nonpositive(x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 3e-7 * expected, "exp({x}) = {found}, not {expected}");
        }
        assert!(super::exp_nonpositive(f32::NAN).is_nan());
        assert!(super::exp_nonpositive(f32::NEG_INFINITY) < 2e-38 && super::exp_nonpositive(-1e30) < 2e-38);
    }
}
