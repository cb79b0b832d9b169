//! Files for llama.cpp, which `scripts/prove_gguf.sh` compares with.

use std::fs;
use std::path::PathBuf;

use burn::tensor::Device;
use saffron_mrm::DecoderConfig;
use saffron_mrm::engine::Engine;
use serde_json::json;

use super::super::numbers::options;
use super::super::within;
use super::{said, writer};
use crate::fixtures::{logits, reference};

/// Writes every fixture that the format can say, and the logits that it gives here, into the folder that
/// `SAFFRON_GGUF_FOLDER` names.
#[test]
#[ignore = "writes files for scripts/prove_gguf.sh, which sets SAFFRON_GGUF_FOLDER"]
fn files_for_llama_cpp() {
    let passing = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("SAFFRON_GGUF_FOLDER").map_or_else(|| passing.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    for said in said() {
        let path = folder.join(format!("{}.gguf", said.name));
        writer::parts(&said.dir).write(&path);
        let sequences = reference(&within(&said.name)).sequences;
        let mut engine = Engine::open(&path, &Device::flex(), options(&said.name)).unwrap();
        let numbers = json!({
            "architecture": writer::architecture(&DecoderConfig::from_dir(&said.dir).unwrap()),
            "sequences": sequences,
            "logits": logits(&mut engine, &sequences),
        });
        fs::write(path.with_extension("json"), numbers.to_string()).unwrap();
    }
}
