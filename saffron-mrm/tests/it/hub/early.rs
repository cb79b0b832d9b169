//! A model that cannot be used is refused before its weights are fetched.

use std::error::Error;

use saffron_mrm::LoadError;
use saffron_mrm::hub::HubError;

use super::{Manners, Server, downloads, files, model, with};

/// What is said of a model with another file, after a look at what was fetched.
fn refusal(name: &str, bytes: impl Into<Vec<u8>>) -> LoadError {
    let (server, cache) = (Server::new(with(name, bytes), Manners::default()), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    let asked = server.asked();
    assert!(downloads(&asked).iter().all(|name| !name.ends_with(".safetensors")), "{asked:?}");
    assert!(error.to_string().contains("weights have not been fetched") && error.source().is_some(), "{error}");
    match error {
        HubError::Unusable { source, .. } => *source,
        error => panic!("{error}"),
    }
}

#[test]
fn a_configuration_that_is_not_supported() {
    let config = String::from_utf8(files().remove("config.json").unwrap()).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["model_type"] = "mamba".into();
    let error = refusal("config.json", config.to_string());
    assert!(matches!(&error, LoadError::Unsupported { field, .. } if field == "model_type"), "{error}");
}

#[test]
fn a_tokenizer_that_is_none() {
    let error = refusal("tokenizer.json", "{}");
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    assert!(matches!(refusal("tokenizer.json", pointer), LoadError::LfsPointer { .. }));
}

#[test]
fn a_chat_template_that_is_none() {
    let error = refusal("chat_template.jinja", "{% for %}");
    assert!(error.to_string().contains("chat_template.jinja"), "{error}");
}

#[test]
fn an_index_of_files_that_are_not_there() {
    let mut all = with("model.safetensors.index.json", r#"{"weight_map":{"a":"model-1.safetensors"}}"#);
    all.remove("model.safetensors");
    let (server, cache) = (Server::new(all, Manners::default()), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).fetch(&model("org/tiny")).unwrap_err();
    assert!(matches!(&error, HubError::Answer { .. }) && error.to_string().contains("model-1.safetensors"), "{error}");
}

/// A GGUF of a megabyte, and the hub's answer to it.
#[cfg(feature = "gguf")]
fn fetch_gguf(change: impl FnOnce(crate::gguf::Parts) -> crate::gguf::Parts) -> (Result<(), HubError>, Vec<String>) {
    use candle_core::quantized::GgmlDType;
    let (_folder, path) = change(crate::gguf::Parts::of("tiny-b", GgmlDType::F32)).file();
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.len() > 600_000, "{}", bytes.len());
    let (server, cache) = (Server::new(with("tiny.gguf", bytes), Manners::default()), tempfile::tempdir().unwrap());
    let fetched = server.hub(cache.path()).fetch(&model("org/tiny/tiny.gguf"));
    if let Ok(path) = &fetched {
        saffron_mrm::checkpoint::Checkpoint::open(path).unwrap().verify().unwrap();
    } else {
        assert!(super::bytes_under(cache.path()) < 10_000, "nothing of it stays");
    }
    (fetched.map(drop), server.asked())
}

#[test]
#[cfg(feature = "gguf")]
fn a_gguf_by_its_header_before_its_weights() {
    use candle_core::quantized::gguf_file::Value;
    let (fetched, asked) = fetch_gguf(|parts| parts);
    fetched.unwrap();
    let downloads = super::downloads(&asked);
    let ranges: Vec<&str> = downloads.iter().filter_map(|line| line.strip_prefix("tiny.gguf bytes=")).collect();
    let from: u64 = ranges[0].trim_end_matches('-').parse().unwrap();
    assert!(downloads[0] == "tiny.gguf" && ranges.len() == 1 && (262_144..400_000).contains(&from), "{downloads:?}");
    let foreign = Value::String(String::from("mamba2"));
    let (refused, asked) = fetch_gguf(|parts| parts.with("general.architecture", foreign));
    let Err(HubError::Unusable { source, .. }) = refused else { panic!("{refused:?}") };
    let says = "tiny.gguf: general.architecture: expected one of gemma2, gemma3, granite, llama, olmo2, phi3, qwen2, qwen3, \
        smollm3, found mamba2";
    assert!(source.to_string().contains(says), "{source}");
    assert_eq!(super::downloads(&asked), ["tiny.gguf"]);
    let (refused, _) = fetch_gguf(|parts| parts.with("llama.clamp_kqv", Value::F32(8.0)));
    assert!(matches!(refused, Err(HubError::Unusable { .. })), "{refused:?}");
    let (refused, _) = fetch_gguf(|parts| parts.without("tokenizer.ggml.merges"));
    assert!(matches!(refused, Err(HubError::Unusable { .. })), "{refused:?}");
}
