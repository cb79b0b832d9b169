//! A linear layer, weights on the left.

use burn::tensor::{DType, Tensor};

use super::lora::LoraPair;
use super::simd;
use crate::config::Activation;

/// `W x + b` with `W` as checkpoints have it.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor<2>,
    bias: Option<Tensor<2>>,
}

impl Linear {
    /// # Shapes
    ///
    /// - weight: `[out, in]`
    /// - bias: `[out, 1]`
    #[must_use]
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<2>>) -> Self {
        Self { weight, bias }
    }

    /// # Shapes
    ///
    /// - output: `[out, in]`
    #[must_use]
    pub fn weight(&self) -> &Tensor<2> {
        &self.weight
    }

    /// # Shapes
    ///
    /// - output: `[out, 1]`
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor<2>> {
        self.bias.as_ref()
    }

    /// # Shapes
    ///
    /// - x: `[in, rows]`
    /// - output: `[out, rows]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = simd::linear(&self.weight, &x, None).unwrap_or_else(|| self.weight.clone().matmul(x));
        self.biased(y)
    }

    /// `y + W x + b`, the residual added on the way.
    ///
    /// # Shapes
    ///
    /// - x: `[in, rows]`
    /// - y, output: `[out, rows]`
    pub(crate) fn forward_add(&self, x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        match simd::linear(&self.weight, &x, Some(&y)) {
            Some(y) => self.biased(y),
            None => y + self.forward(x),
        }
    }

    /// `f(G x) · U x` with an activation `f`, if a kernel can: the weight's first half is `G`, its second `U`.
    pub(crate) fn gated(&self, x: &Tensor<2>, activation: Activation) -> Option<Tensor<2>> {
        if self.bias.is_none() { simd::gated(&self.weight, x, activation) } else { None }
    }

    fn biased(&self, y: Tensor<2>) -> Tensor<2> {
        match &self.bias {
            Some(bias) => y + bias.clone(),
            None => y,
        }
    }

    /// The layer with `scale · B A` added to its rows from `first` on. The sum is made in float32, then rounded to the weight's type.
    pub(crate) fn merge(&mut self, first: usize, lora: &LoraPair) {
        let ([rows, _], [_, columns]) = (lora.b.dims(), self.weight.dims());
        let delta = lora.b.clone().matmul(lora.a.clone()).mul_scalar(lora.scale);
        let dtype = self.weight.dtype();
        self.weight.inplace(|weight| {
            let part = weight.clone().slice_dim(0, first..first + rows).cast(DType::F32);
            weight.slice_assign([first..first + rows, 0..columns], (part + delta).cast(dtype))
        });
    }

    /// Moves the weights onto a device of another kind (a training one, say).
    pub(crate) fn map(&self, change: &impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self { weight: change(self.weight.clone()), bias: self.bias.clone().map(change) }
    }

    /// The layer with another weight and the same bias.
    pub(crate) fn map_weight(&self, change: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        Self { weight: change(self.weight.clone()), bias: self.bias.clone() }
    }
}
