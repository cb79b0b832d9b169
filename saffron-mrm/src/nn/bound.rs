//! What becomes of logits behind the unembedding: divided, then capped.

use burn::tensor::Tensor;
use burn::tensor::activation::tanh;

use super::simd;
use crate::config::Choices;

/// Divisor and soft cap of a decoder's logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    divisor: f64,
    cap: Option<f64>,
}

impl Bound {
    pub(crate) fn of(choices: &Choices) -> Self {
        Self { divisor: choices.scales.logit_divisor, cap: choices.logit_cap }
    }

    fn is_none(self) -> bool {
        self.divisor == 1.0 && self.cap.is_none()
    }

    /// Bounds a tensor of logits.
    pub(crate) fn tensor<const D: usize>(self, logits: Tensor<D>) -> Tensor<D> {
        let logits = if self.divisor == 1.0 { logits } else { logits.div_scalar(self.divisor) };
        match self.cap {
            Some(cap) => tanh(logits.div_scalar(cap)).mul_scalar(cap),
            None => logits,
        }
    }

    /// Bounds logits on the host.
    pub(crate) fn host(self, mut logits: Vec<f32>) -> Vec<f32> {
        if !self.is_none() {
            simd::bound(&mut logits, self.divisor as f32, self.cap.map(|cap| cap as f32));
        }
        logits
    }
}
