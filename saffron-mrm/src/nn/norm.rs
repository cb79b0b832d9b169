//! RMSNorm over features.

use burn::tensor::{DType, Tensor};

use super::{fused, simd};

/// `w · x / √(mean(x²) + ε)`, in float32 whatever the type of the activations.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Tensor<2>,
    eps: f64,
}

impl RmsNorm {
    /// # Shapes
    ///
    /// - weight: `[width, 1]`, float32
    #[must_use]
    pub fn new(weight: Tensor<2>, eps: f64) -> Self {
        Self { weight, eps }
    }

    /// # Shapes
    ///
    /// - output: `[width, 1]`, float32
    #[must_use]
    pub fn weight(&self) -> &Tensor<2> {
        &self.weight
    }

    /// # Shapes
    ///
    /// - x, output: `[width, rows]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if let Some(y) = simd::rms_norm(&x, &self.weight, self.eps) {
            return y;
        }
        if let Some(y) = fused::rms_norm(&x, &self.weight, self.eps) {
            return y;
        }
        let dtype = x.dtype();
        let x = if dtype == DType::F32 { x } else { x.cast(DType::F32) };
        let scale = x.clone().square().mean_dim(0).add_scalar(self.eps).sqrt().recip();
        let y = x * scale * self.weight.clone();
        if dtype == DType::F32 { y } else { y.cast(dtype) }
    }

    pub(crate) fn map(&self, change: &impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self { weight: change(self.weight.clone()), eps: self.eps }
    }
}
