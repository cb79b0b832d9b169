//! The softmax of one row of logits, in blocks: wide enough for the processor's vectors, and most blocks hold no candidate.

use crate::{ModelError, Token};

const BLOCK: usize = 64;

/// Refuses NaN and +∞.
pub(super) fn check_numbers(logits: &[f32], session: usize) -> Result<(), ModelError> {
    // Flags of a block are joined without branches.
    let is_bad = |logit: &f32| logit.is_nan() | (*logit == f32::INFINITY);
    if !logits.chunks(BLOCK).any(|block| block.iter().fold(false, |bad, logit| bad | is_bad(logit))) {
        return Ok(());
    }
    match (0u32..).zip(logits).find(|(_, logit)| is_bad(logit)) {
        Some((token, value)) => Err(ModelError::NotANumber { what: "logits", session, token, value: *value }),
        None => Ok(()),
    }
}

/// The softmax of one row, as far as it is needed.
pub(super) struct Softmax {
    pub(super) max: f32,
    /// Σ exp(x − max)
    sum: f64,
    /// Largest logit of every block.
    maxima: Vec<f32>,
}

impl Softmax {
    /// None when every logit is −∞.
    pub(super) fn new(logits: &[f32]) -> Option<Self> {
        let larger = |a: f32, b: f32| if b > a { b } else { a };
        let maximum = |block: &[f32]| block.iter().copied().fold(f32::NEG_INFINITY, larger);
        let maxima: Vec<f32> = logits.chunks(BLOCK).map(maximum).collect();
        let max = maximum(&maxima);
        let blocks = logits.chunks(BLOCK).map(|block| f64::from(sum_exp(block, max)));
        (max > f32::NEG_INFINITY).then(|| Self { max, sum: blocks.sum(), maxima })
    }

    /// The tokens whose logits are at least `bound`, in order.
    pub(super) fn at_least(&self, bound: f32, logits: &[f32]) -> Vec<Token> {
        let blocks = (0u32..).step_by(BLOCK).zip(logits.chunks(BLOCK)).zip(&self.maxima);
        let mut tokens = Vec::new();
        for ((first, block), _) in blocks.filter(|(_, max)| **max >= bound) {
            tokens.extend((first..).zip(block).filter(|(_, logit)| **logit >= bound).map(|(token, _)| token));
        }
        tokens
    }

    pub(super) fn probability(&self, logit: f32) -> f64 {
        f64::from(logit - self.max).exp() / self.sum
    }

    pub(super) fn logprob(&self, logit: f32) -> f32 {
        (f64::from(logit) - f64::from(self.max) - self.sum.ln()) as f32
    }
}

/// Σ exp(x − max) of one block.
fn sum_exp(block: &[f32], max: f32) -> f32 {
    let mut sums = [0.0f32; 16];
    let (lanes, rest) = block.as_chunks::<16>();
    for lane in lanes {
        sums.iter_mut().zip(lane).for_each(|(sum, x)| *sum += exp(x - max));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += exp(x - max));
    sums.iter().sum()
}

/// exp of a number that is not positive, to about two units in the last place, in operations that compilers turn into vector
/// instructions (the standard library's is a call). What is too small for float32, −∞ included, gives less than 1e-38.
///
/// `x = k·ln 2 + r` with |r| ≤ ln 2 / 2, so that `exp(x) = 2^k · exp(r)`, the latter by its Taylor series.
fn exp(x: f32) -> f32 {
    /// Adding 1.5 · 2²³ to a small float32 and subtracting it again rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with few digits, so that `k` times it is exact.
    const LN2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = if x > -87.0 { x } else { -87.0 };
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

#[cfg(test)]
mod tests {
    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        for step in 0..870_000 {
            let x = -1e-4 * step as f32;
            let (found, expected) = (f64::from(super::exp(x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 3e-7 * expected, "exp({x}) = {found}, not {expected}");
        }
        assert!(super::exp(f32::NEG_INFINITY) < 2e-38 && super::exp(-1e30) < 2e-38);
    }
}
