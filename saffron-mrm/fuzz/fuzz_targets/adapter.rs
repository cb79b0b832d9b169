//! Bytes as the directory of an adapter: errors or an adapter, and never much more memory than the
//! files have bytes.
//!
//! The first byte says which form the weights have, the next two how long the configuration is; the
//! rest are the weights.
//! `cargo fuzz run --sanitizer none adapter corpus -- -rss_limit_mb=512`
#![no_main]

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use saffron_mrm::checkpoint::AdapterFile;
use saffron_mrm::checkpoint::peft::base_of_adapter;
use saffron_mrm::checkpoint::torch::read_vector;
use saffron_mrm::{Choices, DecoderConfig};
use tempfile::TempDir;

const FORMS: [&str; 3] = ["adapter_model.safetensors", "adapter_model.bin", "lm_head_bias.pt"];

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(TempDir::new().expect("a folder"));
}

/// Two layers of width 8.
fn model() -> DecoderConfig {
    DecoderConfig {
        hidden_size: 8,
        intermediate_size: 12,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 4,
        vocab_size: 16,
        max_position_embeddings: 64,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        eos_token_ids: Vec::new(),
        choices: Choices::llama(1e4),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [form, low, high, rest @ ..] = bytes else { return };
    let form = FORMS[usize::from(*form) % FORMS.len()];
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (config, weights) = rest.split_at(length);
    FOLDER.with_borrow(|folder| {
        let place = |name: &str| folder.path().join(name);
        FORMS.iter().for_each(|name| drop(fs::remove_file(place(name))));
        fs::write(place("adapter_config.json"), config).expect("a file");
        fs::write(place(form), weights).expect("a file");
        let _ = base_of_adapter(folder.path());
        if let Ok(mut adapter) = AdapterFile::open(folder.path(), &model()) {
            let _ = adapter.verify();
        }
        let _ = read_vector(&place("lm_head_bias.pt"));
    });
});
