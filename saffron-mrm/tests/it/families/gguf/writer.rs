//! GGUFs of the fixtures, as the library writes them.

use std::path::Path;

use candle_core::quantized::gguf_file::Value;
use saffron_mrm::DecoderConfig;
use saffron_mrm::checkpoint::{Checkpoint, GgufWeights};

use crate::gguf::Parts;

/// A directory's model, with a chat template.
pub(crate) fn parts(dir: &Path) -> Parts {
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("model");
    Checkpoint::open(dir).unwrap().export_gguf(&to, GgufWeights::F32).unwrap();
    let template = "{{ bos_token }}{{ messages[0].content }}";
    Parts::read(&to.join("model.gguf")).with("tokenizer.chat_template", Value::String(template.to_owned()))
}

pub(crate) fn architecture(config: &DecoderConfig) -> &'static str {
    match config.choices.family.name() {
        "mistral" => "llama",
        "gemma3_text" => "gemma3",
        other => other,
    }
}
