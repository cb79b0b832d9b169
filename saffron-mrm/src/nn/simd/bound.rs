//! Soft caps on logits.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use saffron_core::numeric::tanh;
use saffron_kvtrie::simd::dispatch;

/// Numbers of a task.
const CHUNK: usize = 1 << 14;

/// `cap · tanh(x / divisor / cap)`, or without a cap `x / divisor`.
pub(crate) fn bound(logits: &mut [f32], divisor: f32, cap: Option<f32>) {
    logits.par_chunks_mut(CHUNK).for_each(|logits| dispatch(Bound { logits, divisor, cap }));
}

struct Bound<'a> {
    logits: &'a mut [f32],
    divisor: f32,
    cap: Option<f32>,
}

impl WithSimd for Bound<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.cap {
            Some(cap) => self.logits.iter_mut().for_each(|x| *x = cap * tanh(*x / self.divisor / cap)),
            None => self.logits.iter_mut().for_each(|x| *x /= self.divisor),
        }
    }
}
