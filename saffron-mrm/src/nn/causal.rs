//! Attention over whole sequences without a cache: what training uses.

use std::sync::Arc;

use burn::tensor::activation::{softmax, tanh};
use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::view::View;
use super::{Attend, HeadShape, RopeRows, fused};
use crate::config::DecoderConfig;

/// A batch of sequences, padded to one length, each attending to itself alone.
#[derive(Clone, Debug)]
pub struct CausalAttention {
    /// What the rows of layers with a window, or without one, see.
    kinds: Vec<Kind>,
    /// Which of them each layer has.
    of_layer: Vec<usize>,
    cap: Option<f64>,
}

#[derive(Clone, Debug)]
struct Kind {
    view: Arc<View>,
    /// `[1, sequences or 1, length · group, length]`, true where a row must not look. Causality counts rows, so the group is repeated in
    /// the mask.
    hidden: Tensor<4, Bool>,
}

/// A batch of sequences: how many, how many different views they have, rows a sequence.
#[derive(Clone, Copy)]
struct Batch {
    sequences: usize,
    views: usize,
    length: usize,
}

impl CausalAttention {
    /// For a decoder's `sequences` rows of `length` tokens, sequence by sequence. Padding belongs
    /// at the end, where causality hides it.
    #[must_use]
    pub fn new(config: &DecoderConfig, sequences: usize, length: usize, device: &Device) -> Self {
        let batch = Batch { sequences, views: 1, length };
        Self::masked(config, batch, |_, row| row, |_, row, key| key <= row, device)
    }

    /// The same where a row sees what `sees(sequence, row, key)` says, itself among it: branches of
    /// one sequence that do not see each other, say. Rows and keys count from the beginning of
    /// their sequence. `position(sequence, row)` is a row's place in its context, by which windows
    /// are measured.
    #[must_use]
    pub fn with_view(
        config: &DecoderConfig,
        [sequences, length]: [usize; 2],
        position: impl Fn(usize, usize) -> usize,
        sees: impl Fn(usize, usize, usize) -> bool,
        device: &Device,
    ) -> Self {
        Self::masked(config, Batch { sequences, views: sequences, length }, position, sees, device)
    }

    fn masked(
        config: &DecoderConfig,
        batch: Batch,
        position: impl Fn(usize, usize) -> usize,
        sees: impl Fn(usize, usize, usize) -> bool,
        device: &Device,
    ) -> Self {
        let (windows, of_layer) = config.windows();
        let kind = |window: Option<usize>| {
            let within = |sequence, row, key| {
                window.is_none_or(|window| position(sequence, row).saturating_sub(position(sequence, key)) < window)
            };
            let sees = |sequence, row, key| sees(sequence, row, key) && within(sequence, row, key);
            Kind::new(batch, config.group(), sees, device)
        };
        let kinds = windows.into_iter().map(kind).collect();
        Self { kinds, of_layer, cap: config.choices.score_cap }
    }
}

impl Kind {
    fn new(batch: Batch, group: usize, sees: impl Fn(usize, usize, usize) -> bool, device: &Device) -> Self {
        let Batch { sequences, views, length } = batch;
        let places = (0..views).flat_map(|view| (0..length).map(move |key| (view, key)));
        let hidden = places.flat_map(|(view, key)| (0..length).map(move |row| (view, row, key)));
        let hidden: Vec<bool> = hidden.map(|(view, row, key)| !sees(view, row, key)).collect();
        let mut keys = hidden.chunks_exact(length.max(1)).enumerate();
        let causal = keys.all(|(key, rows)| rows.iter().take(key % length).all(|hidden| *hidden));
        let mask = mask(views, length, group, sees, device);
        Self { view: Arc::new(View { sequences, length, hidden, causal }), hidden: mask }
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
    fn attend(&mut self, layer: usize, queries: Tensor<4>, keys: Tensor<3>, values: Tensor<3>) -> Tensor<2> {
        let [heads, rows, group, width] = queries.dims();
        let kind = &self.kinds[self.of_layer[layer]];
        let View { sequences, length, .. } = *kind.view;
        let split = |rows: Tensor<3>| rows.reshape([heads, sequences, length, width]);
        let queries = queries.reshape([heads, sequences, length * group, width]);
        let scores = queries.matmul(split(keys).swap_dims(2, 3));
        let scores = match self.cap {
            Some(cap) => tanh(scores.div_scalar(cap)).mul_scalar(cap),
            None => scores,
        };
        let scores = scores.mask_fill(kind.hidden.clone(), -1e30);
        let mixed = softmax(scores, 3).matmul(split(values)).reshape([heads, rows, group, width]);
        mixed.permute([0, 2, 3, 1]).reshape([heads * group * width, rows])
    }

    fn attend_joint(
        &mut self,
        layer: usize,
        joint: &Tensor<2>,
        rope: Option<&RopeRows>,
        heads: &HeadShape,
    ) -> Option<Tensor<2>> {
        fused::attention(joint, rope, heads, &self.kinds[self.of_layer[layer]].view)
    }
}
