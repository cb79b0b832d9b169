//! RMSNorm over features in two passes.

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};
use saffron_kvtrie::simd::{dispatch, flex, flex_tensor};

/// `w · x / √(mean(x²) + ε)`
///
/// # Shapes
///
/// - x, output: `[width, rows]`
/// - weight: `[width, 1]`
pub(crate) fn rms_norm(x: &Tensor<2>, weight: &Tensor<2>, eps: f64) -> Option<Tensor<2>> {
    let [width, rows] = x.dims();
    if rows == 0 {
        return None;
    }
    let (x, weight) = (flex(x)?, flex(weight)?);
    let mut out = vec![0.0; width * rows];
    dispatch(Norm { x: x.as_slice()?, weight: weight.as_slice()?, rows, eps: eps as f32, out: &mut out });
    Some(flex_tensor(out, [width, rows]))
}

struct Norm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    rows: usize,
    eps: f32,
    out: &'a mut [f32],
}

impl WithSimd for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        /// Features whose squares are added before they join the rest: keeps the error of long sums down.
        const BLOCK: usize = 32;
        let (mut sums, mut part) = (vec![0.0f32; self.rows], vec![0.0f32; self.rows]);
        for block in self.x.chunks(BLOCK * self.rows) {
            part.fill(0.0);
            for feature in block.chunks_exact(self.rows) {
                part.iter_mut().zip(feature).for_each(|(sum, x)| *sum += x * x);
            }
            sums.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
        }
        let width = self.weight.len() as f32;
        sums.iter_mut().for_each(|sum| *sum = 1.0 / (*sum / width + self.eps).sqrt());
        let features = self.x.chunks_exact(self.rows).zip(self.out.chunks_exact_mut(self.rows));
        for ((x, out), weight) in features.zip(self.weight) {
            let places = out.iter_mut().zip(x).zip(&sums);
            places.for_each(|((out, x), scale)| *out = x * scale * weight);
        }
    }
}
