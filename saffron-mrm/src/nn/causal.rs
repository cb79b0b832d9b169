//! Causal attention over whole sequences without a cache: what training uses.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::Attend;

/// A batch of sequences, padded to one length, each attending to itself alone.
#[derive(Clone, Debug)]
pub struct CausalAttention {
    sequences: usize,
    length: usize,
    /// `[1, 1, length · group, length]`, true where a row must not look. Causality counts rows, so the group is repeated in the mask.
    hidden: Tensor<4, Bool>,
}

impl CausalAttention {
    /// For `sequences` rows of `length` tokens, sequence by sequence. Padding belongs at the end, where causality hides it.
    #[must_use]
    pub fn new(sequences: usize, length: usize, group: usize, device: &Device) -> Self {
        let rows = (0..length).flat_map(|row| std::iter::repeat_n(row, group));
        let hidden: Vec<bool> = rows.flat_map(|row| (0..length).map(move |key| key > row)).collect();
        let hidden = Tensor::from_data(TensorData::new(hidden, [1, 1, length * group, length]), device);
        Self { sequences, length, hidden }
    }
}

impl Attend for CausalAttention {
    fn attend(&mut self, _layer: usize, queries: Tensor<4>, keys: Tensor<3>, values: Tensor<3>) -> Tensor<2> {
        let [heads, rows, group, width] = queries.dims();
        let split = |rows: Tensor<3>| rows.reshape([heads, self.sequences, self.length, width]);
        let queries = queries.reshape([heads, self.sequences, self.length * group, width]);
        let scores = queries.matmul(split(keys).swap_dims(2, 3)).mask_fill(self.hidden.clone(), -1e30);
        let mixed = softmax(scores, 3).matmul(split(values)).reshape([heads, rows, group, width]);
        mixed.permute([0, 2, 3, 1]).reshape([heads * group * width, rows])
    }
}
