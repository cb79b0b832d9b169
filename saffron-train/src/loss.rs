//! The partial-supervision loss (Saffron paper, Eq. 5).

use burn::tensor::{Int, Tensor, TensorData};
use saffron_mrm::nn::{CausalAttention, Decoder};

use crate::sample::Batch;

/// Mean over all supervised positions of `(M(s₀..ⱼ)[sⱼ] − R(s₀..ⱼ))²`, from one causal forward pass of the whole batch.
///
/// Only the observed token's entry of `M = W h + b` is computed: the loss does not touch the others.
///
/// # Shapes
///
/// - bias: `[vocab]`
/// - output: `[1]`
#[must_use]
pub fn partial_supervision(decoder: &Decoder, bias: &Tensor<1>, batch: &Batch) -> Tensor<1> {
    let device = decoder.device();
    let group = decoder.config().group();
    let mut attention = CausalAttention::new(batch.sequences, batch.length, group, &device);
    let hidden = decoder.forward(&batch.tokens, &batch.positions, &mut attention);
    let index = |values: &[u32]| -> Tensor<1, Int> {
        let values: Vec<i32> = values.iter().map(|value| *value as i32).collect();
        Tensor::from_data(TensorData::from(values.as_slice()), &device)
    };
    let (rows, targets) = (index(&batch.rows), index(&batch.targets));
    let logits = decoder.unembed_each(hidden.select(1, rows), targets.clone());
    let rewards: Tensor<1> = Tensor::from_data(TensorData::from(batch.rewards.as_slice()), &device);
    (logits + bias.clone().select(0, targets) - rewards).square().mean()
}
