//! Rotary position embeddings in the rotate-half form of Hugging Face's checkpoints, with a position per row.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::config::Rotary;

/// The rotary frequencies of some layers.
#[derive(Clone, Debug)]
pub struct Rope {
    inverse: Vec<f32>,
    magnitude: f32,
}

/// Cosines and sines for the rows of one forward pass.
#[derive(Clone, Debug)]
pub struct RopeRows {
    /// `[1, pairs, rows]`, as many pairs as are rotated
    cos: Tensor<3>,
    /// `[1, pairs, rows]`
    sin: Tensor<3>,
}

impl Rope {
    /// The frequencies, stretched as the description says, rounded to float32 as the models were
    /// trained with.
    #[must_use]
    pub fn new(rotary: &Rotary, head_dim: usize) -> Self {
        let inverse = rotary.frequencies(head_dim).into_iter().map(|frequency| frequency as f32).collect();
        Self { inverse, magnitude: rotary.magnitude() as f32 }
    }

    /// Tables for rows at these positions.
    #[must_use]
    pub fn rows(&self, positions: &[u32], dtype: DType, device: &Device) -> RopeRows {
        let angles = self.inverse.iter().flat_map(|frequency| positions.iter().map(move |at| *at as f32 * frequency));
        let turn = |angle: f32| f64::from(angle).sin_cos();
        let (sin, cos): (Vec<f32>, Vec<f32>) = angles.map(turn).map(|turn| self.narrow(turn)).unzip();
        let shape = [1, self.inverse.len(), positions.len()];
        let table = |values| Tensor::from_data(TensorData::new(values, shape).convert_dtype(dtype), (device, dtype));
        RopeRows { cos: table(cos), sin: table(sin) }
    }

    fn narrow(&self, (sin, cos): (f64, f64)) -> (f32, f32) {
        (sin as f32 * self.magnitude, cos as f32 * self.magnitude)
    }
}

impl RopeRows {
    /// Cosines and sines, each `[1, pairs, rows]`.
    #[cfg(feature = "flex")]
    pub(crate) fn tables(&self) -> (&Tensor<3>, &Tensor<3>) {
        (&self.cos, &self.sin)
    }

    /// Rotates heads. Features beyond those that are rotated stay as they are.
    ///
    /// # Shapes
    ///
    /// - x, output: `[heads, head_dim, rows]`
    pub(crate) fn rotate(&self, x: Tensor<3>) -> Tensor<3> {
        let (width, half) = (x.dims()[1], self.cos.dims()[1]);
        let (low, high) = (x.clone().slice_dim(1, 0..half), x.clone().slice_dim(1, half..2 * half));
        let turned_low = low.clone() * self.cos.clone() - high.clone() * self.sin.clone();
        let turned_high = high * self.cos.clone() + low * self.sin.clone();
        let mut parts = vec![turned_low, turned_high];
        if 2 * half < width {
            parts.push(x.slice_dim(1, 2 * half..width));
        }
        Tensor::cat(parts, 1)
    }
}
