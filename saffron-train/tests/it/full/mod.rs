//! Decoders that are trained as a whole.

mod files;
mod gradients;
mod init;
mod learning;
mod run;

use burn::tensor::Device;
use saffron_mrm::nn::Decoder;
use saffron_mrm::{Biases, Choices, DecoderConfig};
use saffron_train::objective::next_token::{NextToken, Text};
use saffron_train::{Init, Network, Trainer};

use crate::{numbers, settings};

/// A few thousand weights; those that are not tied have biases, too.
pub(crate) fn config(tied: bool) -> DecoderConfig {
    DecoderConfig {
        hidden_size: 12,
        intermediate_size: 20,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 6,
        vocab_size: 30,
        max_position_embeddings: 64,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: tied,
        eos_token_ids: vec![1],
        choices: Choices { biases: Biases { qkv: !tied, output: !tied, mlp: !tied }, ..Choices::llama(10_000.0) },
    }
}

pub(crate) fn decoder(tied: bool) -> Decoder {
    Init::neutral(3).decoder(&config(tied), &Device::flex()).unwrap()
}

pub(crate) fn trainer(tied: bool) -> Trainer<NextToken> {
    Trainer::new(Network::full(&decoder(tied)), NextToken, settings(1e-2)).unwrap()
}

pub(crate) fn texts() -> Vec<Text> {
    vec![
        Text::whole(vec![0, 4, 12, 23, 6, 1]).unwrap(),
        Text::reply(&[0, 9, 13], &[7, 1]).unwrap(),
        Text::new(vec![0, 4, 5, 5, 29, 28, 27], 2..4).unwrap(),
    ]
}

/// All matrices of a decoder, in order.
fn matrices(decoder: &Decoder) -> Vec<Vec<f32>> {
    decoder.matrices().map(numbers).collect()
}

fn bits(network: &Network) -> Vec<u32> {
    matrices(&network.plain()).into_iter().flatten().chain(network.head().bias).map(f32::to_bits).collect()
}
