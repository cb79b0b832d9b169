//! The softmax of one row of logits, in blocks: wide enough for the processor's vectors, and most blocks hold no candidate. The loops are
//! compiled for several instruction sets, of which the processor's best is taken at run time.

use pulp::{Arch, Simd, WithSimd};

use crate::error::ModelError;
use crate::numeric::exp_nonpositive as exp;
use crate::token::Token;

const BLOCK: usize = 64;

/// Refuses NaN and +∞.
pub(super) fn check_numbers(logits: &[f32], session: usize) -> Result<(), ModelError> {
    if Arch::new().dispatch(AllNumbers(logits)) {
        return Ok(());
    }
    match (0u32..).zip(logits).find(|(_, logit)| is_bad(**logit)) {
        Some((token, value)) => Err(ModelError::NotANumber { what: "logits", session, token, value: *value }),
        None => Ok(()),
    }
}

fn is_bad(logit: f32) -> bool {
    logit.is_nan() | (logit == f32::INFINITY)
}

/// Whether all logits are numbers below +∞.
struct AllNumbers<'a>(&'a [f32]);

impl WithSimd for AllNumbers<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        // Flags of a block are joined without branches.
        let is_bad = |block: &[f32]| block.iter().fold(false, |bad, logit| bad | is_bad(*logit));
        !self.0.chunks(BLOCK).any(is_bad)
    }
}

/// The softmax of one row, as far as it is needed.
pub(super) struct Softmax {
    pub(super) max: f32,
    /// Σ exp(x − max)
    sum: f64,
    /// Its logarithm.
    log_sum: f64,
    /// Largest logit of every block.
    maxima: Vec<f32>,
}

impl Softmax {
    /// None when every logit is −∞.
    pub(super) fn new(logits: &[f32]) -> Option<Self> {
        let maxima = Arch::new().dispatch(Maxima(logits));
        let max = maximum(&maxima);
        (max > f32::NEG_INFINITY).then(|| {
            let sum = Arch::new().dispatch(SumExp { logits, max });
            Self { max, sum, log_sum: sum.ln(), maxima }
        })
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
        (f64::from(logit) - f64::from(self.max) - self.log_sum) as f32
    }
}

/// The largest logit of every block.
struct Maxima<'a>(&'a [f32]);

impl WithSimd for Maxima<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        self.0.chunks(BLOCK).map(maximum).collect()
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn maximum(block: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (lanes, rest) = block.as_chunks::<16>();
    let mut maxima = [f32::NEG_INFINITY; 16];
    for lane in lanes {
        maxima.iter_mut().zip(lane).for_each(|(max, x)| *max = larger(*max, *x));
    }
    maxima.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}

/// Σ exp(x − max): blocks in float32, their sums in float64. The order of additions is the same for every instruction set.
struct SumExp<'a> {
    logits: &'a [f32],
    max: f32,
}

impl WithSimd for SumExp<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        self.logits.chunks(BLOCK).map(|block| f64::from(sum_exp(block, self.max))).sum()
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
fn sum_exp(block: &[f32], max: f32) -> f32 {
    let mut sums = [0.0f32; 16];
    let (lanes, rest) = block.as_chunks::<16>();
    for lane in lanes {
        sums.iter_mut().zip(lane).for_each(|(sum, x)| *sum += exp(x - max));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += exp(x - max));
    sums.iter().sum()
}
