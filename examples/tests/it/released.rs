//! The released Saffron-1-1B adapter. It belongs to others and is not in the repository.

use std::path::PathBuf;

use burn::tensor::Device;
use saffron_mrm::checkpoint::{LoraWeights, Projection};
use saffron_mrm::{Choices, DecoderConfig, RewardHead, RewardHeadFiles};

/// The shape of Llama Guard 3 1B.
fn llama_guard_3_1b() -> DecoderConfig {
    DecoderConfig {
        hidden_size: 2048,
        intermediate_size: 8192,
        num_hidden_layers: 16,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        head_dim: 64,
        vocab_size: 128_256,
        max_position_embeddings: 131_072,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        eos_token_ids: vec![128_001, 128_008, 128_009],
        // How positions are stretched is nothing to an adapter.
        choices: Choices::llama(500_000.0),
    }
}

/// Where the adapter is: `SAFFRON_1_1B`, or beside the repository.
fn dir() -> PathBuf {
    let beside = crate::root().join("../shared/fixtures/saffron-1-1b");
    std::env::var_os("SAFFRON_1_1B").map_or(beside, PathBuf::from)
}

#[test]
#[ignore = "needs the released adapter: SAFFRON_1_1B=DIR cargo test -p saffron-examples --test it -- --ignored released"]
fn the_released_adapter_maps_onto_llama_guard() {
    let model = llama_guard_3_1b();
    let (lora, config) = LoraWeights::from_dir(&dir(), &model, &Device::flex()).unwrap();
    assert_eq!((config.r, config.lora_alpha), (4, 4.0));
    assert_eq!(lora.pairs.len() * 2, 64, "tensors");
    for layer in 0..16 {
        for (projection, out) in [(Projection::Query, 2048), (Projection::Value, 512)] {
            let pair = &lora.pairs[&(layer, projection)];
            assert_eq!((pair.a.dims(), pair.b.dims()), ([4, 2048], [out, 4]));
            assert!((pair.scale - 1.0).abs() < 1e-12);
            assert!(pair.b.clone().abs().sum().into_scalar::<f32>() > 0.0, "trained");
        }
    }
}

#[test]
#[ignore = "needs the released adapter: SAFFRON_1_1B=DIR cargo test -p saffron-examples --test it -- --ignored released"]
fn the_released_head_is_as_described() {
    let head = RewardHead::from_dir(&dir(), 128_256).unwrap();
    assert_eq!((head.bias.len(), head.unseen.size()), (128_256, 128_256));
    assert_eq!(head.unseen.count(), 92_013);
    assert!(head.unseen.contains(128_009), "the end of sequence is unseen");
    let bf16 = |value: &f32| value.to_bits() & 0xffff == 0;
    assert!(head.bias.iter().all(|value| bf16(value) && value.abs() <= 0.0222));
}
