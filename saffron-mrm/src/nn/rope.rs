//! Rotary position embeddings in the rotate-half form of Hugging Face's checkpoints, with a position per row.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::config::DecoderConfig;

/// The rotary frequencies of a model.
#[derive(Clone, Debug)]
pub struct Rope {
    inverse: Vec<f32>,
}

/// Cosines and sines for the rows of one forward pass.
#[derive(Clone, Debug)]
pub struct RopeRows {
    /// `[1, head_dim / 2, rows]`
    cos: Tensor<3>,
    /// `[1, head_dim / 2, rows]`
    sin: Tensor<3>,
}

impl Rope {
    /// The frequencies `θ^(−2i/d)`, stretched as the configuration says, rounded to float32 as the models were trained with.
    #[must_use]
    pub fn new(config: &DecoderConfig) -> Self {
        let dim = config.head_dim as f64;
        let plain = (0..config.head_dim / 2).map(|i| config.rope_theta.powf(-2.0 * i as f64 / dim));
        Self { inverse: plain.map(|frequency| config.rope_scaling.stretch(frequency) as f32).collect() }
    }

    /// Tables for rows at these positions.
    #[must_use]
    pub fn rows(&self, positions: &[u32], dtype: DType, device: &Device) -> RopeRows {
        let angles = self.inverse.iter().flat_map(|frequency| positions.iter().map(move |at| *at as f32 * frequency));
        let (sin, cos): (Vec<f32>, Vec<f32>) = angles.map(|angle| f64::from(angle).sin_cos()).map(narrow).unzip();
        let shape = [1, self.inverse.len(), positions.len()];
        let table = |values| Tensor::from_data(TensorData::new(values, shape).convert_dtype(dtype), (device, dtype));
        RopeRows { cos: table(cos), sin: table(sin) }
    }
}

fn narrow((sin, cos): (f64, f64)) -> (f32, f32) {
    (sin as f32, cos as f32)
}

impl RopeRows {
    /// Cosines and sines, each `[1, head_dim / 2, rows]`.
    #[cfg(feature = "flex")]
    pub(crate) fn tables(&self) -> (&Tensor<3>, &Tensor<3>) {
        (&self.cos, &self.sin)
    }

    /// Rotates heads.
    ///
    /// # Shapes
    ///
    /// - x, output: `[heads, head_dim, rows]`
    pub(crate) fn rotate(&self, x: Tensor<3>) -> Tensor<3> {
        let half = x.dims()[1] / 2;
        let (low, high) = (x.clone().slice_dim(1, 0..half), x.slice_dim(1, half..2 * half));
        let turned_low = low.clone() * self.cos.clone() - high.clone() * self.sin.clone();
        let turned_high = high * self.cos.clone() + low * self.sin.clone();
        Tensor::cat(vec![turned_low, turned_high], 1)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::RopeScaling;

    #[test]
    fn llama3_stretching_leaves_short_waves_and_divides_long_ones() {
        let scaling = RopeScaling::Llama3 {
            factor: 32.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192.0,
        };
        assert!((scaling.stretch(1.0) - 1.0).abs() < 1e-12);
        assert!((scaling.stretch(1e-6) - 1e-6 / 32.0).abs() < 1e-15);
        // Halfway: 2.5 waves fit into the original context.
        let middle = 2.5 * 2.0 * std::f64::consts::PI / 8192.0;
        assert!((scaling.stretch(middle) - middle * (0.5 + 0.5 / 32.0)).abs() < 1e-12);
    }
}
