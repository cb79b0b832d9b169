//! The softmax of one row of logits, in blocks: wide enough for the processor's vectors, and most blocks hold no candidate.

use crate::numeric::exp_nonpositive as exp;
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
