//! Files for llama.cpp, which `scripts/prove_gguf.sh` compares with.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use saffron_mrm::engine::Engine;
use saffron_mrm::{Activation, DecoderConfig};
use serde_json::json;

use super::super::numbers::options;
use super::super::within;
use super::{said, writer};
use crate::fixtures::{logits, reference};
use crate::gguf::Parts;

/// Writes every fixture that the format can say, and the logits that it gives here, into the folder
/// that `SAFFRON_GGUF_FOLDER` names.
#[test]
#[ignore = "writes files for scripts/prove_gguf.sh, which sets SAFFRON_GGUF_FOLDER"]
fn files_for_llama_cpp() {
    let passing = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("SAFFRON_GGUF_FOLDER").map_or_else(|| passing.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    for said in said() {
        let config = DecoderConfig::from_dir(&said.dir).unwrap();
        write(&folder, &said.name, &said.name, &config, &writer::parts(&said.dir));
        if config.choices.activation == Activation::GeluTanh {
            // Models with GELU differ from llama.cpp in their MLPs: everything else is to agree in
            // full.
            let shape = [config.hidden_size, config.intermediate_size];
            let without = (0..config.num_hidden_layers).fold(writer::parts(&said.dir), |parts, layer| {
                let name = format!("blk.{layer}.ffn_down.weight");
                parts.with_tensor(&name, vec![0.0; shape[0] * shape[1]], &shape)
            });
            write(&folder, &format!("{}-without-mlp", said.name), &said.name, &config, &without);
            if config.choices.has_biases() {
                // llama.cpp knows none of what a Gemma's attention gives.
                write(
                    &folder,
                    &format!("{}-without-biases", said.name),
                    &said.name,
                    &config,
                    &unbiased(without, &config),
                );
            }
        }
    }
}

/// The same without the biases of attention.
fn unbiased(parts: Parts, config: &DecoderConfig) -> Parts {
    let projections = ["attn_q", "attn_k", "attn_v", "attn_output"];
    let of_layer = |layer| projections.map(|projection| format!("blk.{layer}.{projection}.bias"));
    (0..config.num_hidden_layers).flat_map(of_layer).fold(parts, |parts, name| parts.without(&name))
}

/// A file, and beside it what it gives here for a fixture's contexts.
fn write(folder: &Path, name: &str, fixture: &str, config: &DecoderConfig, parts: &Parts) {
    let path = folder.join(format!("{name}.gguf"));
    parts.write(&path);
    let sequences = reference(&within(fixture)).sequences;
    let mut engine = Engine::open(&path, &Device::flex(), options(fixture)).unwrap();
    let numbers = json!({
        "architecture": writer::architecture(config),
        "sequences": sequences,
        "logits": logits(&mut engine, &sequences),
    });
    fs::write(path.with_extension("json"), numbers.to_string()).unwrap();
}
