//! RMSNorm over features.

use burn::tensor::{DType, Tensor};

use super::{fused, simd};
use crate::config::NormWeights;

/// `m · x / √(mean(x²) + ε)`, in float32 whatever the type of the activations; the multiplier `m` is the stored weight `w`, or `1 + w`.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Tensor<2>,
    multiplier: Tensor<2>,
    eps: f64,
}

impl RmsNorm {
    /// A norm that multiplies by its weight.
    ///
    /// # Shapes
    ///
    /// - weight: `[width, 1]`, float32
    #[must_use]
    pub fn new(weight: Tensor<2>, eps: f64) -> Self {
        Self::stored(weight, NormWeights::Plain, eps)
    }

    /// A norm of a stored weight.
    ///
    /// # Shapes
    ///
    /// - weight: `[width, 1]`, float32
    #[must_use]
    pub fn stored(weight: Tensor<2>, weights: NormWeights, eps: f64) -> Self {
        let multiplier = match weights {
            NormWeights::Plain => weight.clone(),
            NormWeights::OnePlus => weight.clone().add_scalar(1.0),
        };
        Self { weight, multiplier, eps }
    }

    /// A norm of a width that changes nothing but the size.
    #[must_use]
    pub fn neutral(width: usize, weights: NormWeights, eps: f64, device: &burn::tensor::Device) -> Self {
        let options = (device, DType::F32);
        let weight = match weights {
            NormWeights::Plain => Tensor::ones([width, 1], options),
            NormWeights::OnePlus => Tensor::zeros([width, 1], options),
        };
        Self::stored(weight, weights, eps)
    }

    /// The weight as files have it.
    ///
    /// # Shapes
    ///
    /// - output: `[width, 1]`, float32
    #[must_use]
    pub fn weight(&self) -> &Tensor<2> {
        &self.weight
    }

    /// What is multiplied by.
    ///
    /// # Shapes
    ///
    /// - output: `[width, 1]`, float32
    #[cfg(feature = "flex")]
    pub(crate) fn multiplier(&self) -> &Tensor<2> {
        &self.multiplier
    }

    /// What is added to the mean square.
    #[cfg(feature = "flex")]
    pub(crate) fn eps(&self) -> f64 {
        self.eps
    }

    /// # Shapes
    ///
    /// - x, output: `[width, rows]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if let Some(y) = simd::rms_norm(&x, &self.multiplier, self.eps) {
            return y;
        }
        if let Some(y) = fused::rms_norm(&x, &self.multiplier, self.eps) {
            return y;
        }
        let [width, rows] = x.dims();
        self.plain(x.reshape([1, width, rows])).reshape([width, rows])
    }

    /// The same for every head on its own.
    ///
    /// # Shapes
    ///
    /// - x, output: `[heads · width, rows]`
    pub(super) fn forward_heads(&self, x: Tensor<2>) -> Tensor<2> {
        let ([height, rows], [width, _]) = (x.dims(), self.weight.dims());
        self.plain(x.reshape([height / width, width, rows])).reshape([height, rows])
    }

    /// In burn's operations, over the middle axis.
    fn plain(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        let x = if dtype == DType::F32 { x } else { x.cast(DType::F32) };
        let scale = x.clone().square().mean_dim(1).add_scalar(self.eps).sqrt().recip();
        let y = x * scale * self.multiplier.clone().unsqueeze_dim(0);
        if dtype == DType::F32 { y } else { y.cast(dtype) }
    }

    pub(crate) fn map(&self, change: &impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self { weight: change(self.weight.clone()), multiplier: change(self.multiplier.clone()), eps: self.eps }
    }
}
