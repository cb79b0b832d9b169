//! Attention over whole sequences without a cache: what training uses.

use std::sync::Arc;

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::view::View;
use super::{Attend, RopeRows, fused};
use crate::config::DecoderConfig;

/// A batch of sequences, padded to one length, each attending to itself alone.
#[derive(Clone, Debug)]
pub struct CausalAttention {
    view: Arc<View>,
    /// `[1, sequences or 1, length · group, length]`, true where a row must not look. Causality counts rows, so the group is repeated in
    /// the mask.
    hidden: Tensor<4, Bool>,
}

impl CausalAttention {
    /// For `sequences` rows of `length` tokens, sequence by sequence. Padding belongs at the end, where causality hides it.
    #[must_use]
    pub fn new(sequences: usize, length: usize, group: usize, device: &Device) -> Self {
        Self::masked(sequences, [1, length, group], |_, row, key| key <= row, device)
    }

    /// The same where a row sees what `sees(sequence, row, key)` says, itself among it: branches of one sequence that do not see each
    /// other, say. Rows and keys count from the beginning of their sequence.
    #[must_use]
    pub fn with_view(
        sequences: usize,
        length: usize,
        group: usize,
        sees: impl Fn(usize, usize, usize) -> bool,
        device: &Device,
    ) -> Self {
        Self::masked(sequences, [sequences, length, group], sees, device)
    }

    fn masked(
        sequences: usize,
        [masks, length, group]: [usize; 3],
        sees: impl Fn(usize, usize, usize) -> bool,
        device: &Device,
    ) -> Self {
        let places = (0..masks).flat_map(|mask| (0..length).map(move |key| (mask, key)));
        let hidden = places.flat_map(|(mask, key)| (0..length).map(move |row| (mask, row, key)));
        let hidden: Vec<bool> = hidden.map(|(mask, row, key)| !sees(mask, row, key)).collect();
        let mut keys = hidden.chunks_exact(length.max(1)).enumerate();
        let causal = keys.all(|(key, rows)| rows.iter().take(key % length).all(|hidden| *hidden));
        let view = Arc::new(View { sequences, length, hidden, causal });
        Self { view, hidden: mask(masks, length, group, sees, device) }
    }
}

fn mask(
    sequences: usize,
    length: usize,
    group: usize,
    sees: impl Fn(usize, usize, usize) -> bool,
    device: &Device,
) -> Tensor<4, Bool> {
    let mut hidden = Vec::with_capacity(sequences * length * group * length);
    for sequence in 0..sequences {
        for row in 0..length {
            let keys: Vec<bool> = (0..length).map(|key| !sees(sequence, row, key)).collect();
            (0..group).for_each(|_| hidden.extend_from_slice(&keys));
        }
    }
    Tensor::from_data(TensorData::new(hidden, [1, sequences, length * group, length]), device)
}

impl Attend for CausalAttention {
    fn attend(&mut self, _layer: usize, queries: Tensor<4>, keys: Tensor<3>, values: Tensor<3>) -> Tensor<2> {
        let [heads, rows, group, width] = queries.dims();
        let View { sequences, length, .. } = *self.view;
        let split = |rows: Tensor<3>| rows.reshape([heads, sequences, length, width]);
        let queries = queries.reshape([heads, sequences, length * group, width]);
        let scores = queries.matmul(split(keys).swap_dims(2, 3)).mask_fill(self.hidden.clone(), -1e30);
        let mixed = softmax(scores, 3).matmul(split(values)).reshape([heads, rows, group, width]);
        mixed.permute([0, 2, 3, 1]).reshape([heads * group * width, rows])
    }

    fn attend_joint(&mut self, joint: &Tensor<2>, rope: &RopeRows, config: &DecoderConfig) -> Option<Tensor<2>> {
        fused::attention(joint, rope, config, &self.view)
    }
}
