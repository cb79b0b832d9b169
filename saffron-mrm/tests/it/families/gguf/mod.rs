//! Families as GGUF: the same models as the directories that the files were made of.

mod prove;
mod refused;
mod tokenizers;
mod writer;

use std::path::PathBuf;

use burn::tensor::{DType, Device};
use candle_core::quantized::gguf_file::Value;
use saffron_core::Vocabulary;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::engine::Engine;
use saffron_mrm::text::Message;
use saffron_mrm::{Choices, DecoderConfig, Mrm};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::numbers::options;
use super::{families, path, within};
use crate::fixtures::{copy, edit_json, gap, logits, reference};
use crate::gguf::Parts;

/// Fixtures that the format cannot say, with the reason, and a key that no file may have.
pub(super) fn unsaid() -> [(&'static str, &'static str, &'static str, Value); 10] {
    let (zero, window) = (Value::F32(0.0), || Value::U32(11));
    [
        ("gemma2-no-caps", "caps that are absent are llama.cpp's", "gemma2.attn_logit_softcapping", zero.clone()),
        ("gemma2-score-cap", "caps that are absent are llama.cpp's", "gemma2.final_logit_softcapping", zero),
        (
            "gemma3-yarn",
            "llama.cpp stretches layers with a window by it, too",
            "gemma3.rope.scaling.type",
            Value::String(String::from("yarn")),
        ),
        (
            "llama-yarn-mscale",
            "the converter leaves mscale and truncate out",
            "llama.rope.scaling.yarn_log_multiplier",
            Value::F32(0.1),
        ),
        (
            "olmo2-f16",
            "the converter leaves Llama 3's stretching out",
            "olmo2.rope.scaling.low_freq_factor",
            Value::F32(1.0),
        ),
        ("qwen2-window", "no window", "qwen2.attention.sliding_window", window()),
        ("qwen3-bf16", "no window", "qwen3.attention.sliding_window", window()),
        ("qwen3-yarn-window", "no window", "qwen3.attention.sliding_window", window()),
        ("smollm3-biased", "every fourth layer is without positions", "smollm3.no_rope_layer_interval", Value::U32(2)),
        ("smollm3-window", "no window", "smollm3.attention.sliding_window", window()),
    ]
}

/// What a fixture's configuration must say otherwise for the format to be able to: the scale of
/// scores is derived.
pub(super) const CHANGED: [(&str, u64); 6] = [
    ("gemma2", 16),
    ("gemma2-defaults", 8),
    ("gemma3", 16),
    ("gemma3-bf16", 12),
    ("gemma3-multimodal", 6),
    ("gemma3-scaled", 16),
];

/// A fixture that the format can say.
struct Said {
    name: String,
    /// Its directory.
    dir: PathBuf,
    /// Where that is a copy with changes, the copy.
    changed: Option<TempDir>,
}

fn said() -> Vec<Said> {
    let unsaid = unsaid();
    let said = families().into_iter().filter(|name| unsaid.iter().all(|(unsaid, ..)| unsaid != name));
    said.map(|name| {
        let dir = path(&name).join("policy");
        let Some((_, scalar)) = CHANGED.iter().find(|(changed, _)| *changed == name) else {
            return Said { name, dir, changed: None };
        };
        let changed = copy(&dir);
        edit_json(&changed.path().join("config.json"), |config| {
            let text = if config.get("text_config").is_some() { &mut config["text_config"] } else { config };
            text["query_pre_attn_scalar"] = json!(scalar);
        });
        Said { name, dir: changed.path().to_path_buf(), changed: Some(changed) }
    })
    .collect()
}

/// A fixture that the format can say, as a file.
fn parts(name: &str) -> Parts {
    let said = said().into_iter().find(|said| said.name == name).unwrap_or_else(|| panic!("{name} is unsaid"));
    writer::parts(&said.dir)
}

/// The same in the name of another family: Mistral's files are Llama's.
fn in_the_name_of(found: &DecoderConfig, other: &DecoderConfig) -> DecoderConfig {
    let choices = Choices { family: other.choices.family, ..found.choices.clone() };
    DecoderConfig { choices, ..found.clone() }
}

#[test]
fn every_fixture_is_said_changed_or_unsaid() {
    let names = families();
    for name in unsaid().iter().map(|(name, ..)| *name).chain(CHANGED.map(|(name, _)| name)) {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    let architectures: std::collections::BTreeSet<&str> =
        said().iter().map(|said| writer::architecture(&DecoderConfig::from_dir(&said.dir).unwrap())).collect();
    let all = ["gemma2", "gemma3", "granite", "llama", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"];
    assert_eq!(architectures.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_gguf_describes_the_decoder_of_its_directory() {
    for said in said() {
        let (_folder, path) = writer::parts(&said.dir).file();
        let (file, folder) = (Checkpoint::open(&path).unwrap(), Checkpoint::open(&said.dir).unwrap());
        let (config, expected) = (file.config().unwrap(), folder.config().unwrap());
        let mut renamed = if said.name.starts_with("mistral") { in_the_name_of(&config, &expected) } else { config };
        if said.name == "mistral-no-window" {
            // Two frequencies do not tell which context was stretched.
            let of = |config: &DecoderConfig| config.layer(0).rotary.as_ref().unwrap().frequencies(config.head_dim);
            let pairs: Vec<(f64, f64)> = of(&renamed).into_iter().zip(of(&expected)).collect();
            assert!(pairs.iter().all(|(found, expected)| (found / expected - 1.0).abs() < 1e-6), "{pairs:?}");
            renamed.choices.layers = expected.choices.layers.clone();
        }
        assert_eq!(renamed, expected, "{}", said.name);
        let (tokenizer, other) = (file.tokenizer().unwrap(), folder.tokenizer().unwrap());
        assert_eq!((tokenizer.id(), tokenizer.bos(), tokenizer.eos()), (other.id(), other.bos(), other.eos()));
        assert_eq!(tokenizer.known(), other.known(), "{}: rows without a text have none here either", said.name);
        let text = "What is the quick 12345 brown fox?\n\n  It's jumping";
        assert_eq!(tokenizer.encode(text).unwrap(), other.encode(text).unwrap());
        assert_eq!(file.end_tokens(&tokenizer).unwrap(), folder.end_tokens(&other).unwrap());
        let rendered = file.chat_template().unwrap().unwrap().render(&[Message::user("Hi")]).unwrap();
        assert_eq!(rendered, "<|bos|>Hi");
        file.verify().unwrap();
    }
}

#[test]
fn logits_of_a_gguf_are_those_of_its_directory() {
    for said in said() {
        let (_folder, path) = writer::parts(&said.dir).file();
        let known = reference(&within(&said.name));
        let open = |path: &std::path::Path| Engine::open(path, &Device::flex(), options(&said.name)).unwrap();
        let expected = match &said.changed {
            // Numbers of the change are our own.
            Some(changed) => logits(&mut open(changed.path()), &known.sequences),
            None => known.logits.clone(),
        };
        let found = logits(&mut open(&path), &known.sequences);
        for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!(gap(found, expected) <= 1e-4, "{}, sequence {row}: {}", said.name, gap(found, expected));
        }
    }
}

#[test]
fn rewards_over_a_gguf_are_those_over_its_directory() {
    for said in said().into_iter().filter(|said| said.changed.is_none()) {
        let (_folder, path) = writer::parts(&super::path(&said.name).join("guard")).file();
        let known = reference(&within(&said.name));
        let base = Mrm::builder(&path, &Device::flex(), options(&said.name)).unwrap();
        let mrm = base.with_adapter(super::path(&said.name).join("mrm"));
        let found = mrm.unwrap().raw_rewards(&known.sequences).unwrap();
        for (found, expected) in found.iter().zip(&known.rewards) {
            assert!(gap(found, expected) <= 1e-4, "{}: {}", said.name, gap(found, expected));
        }
    }
}

#[test]
fn a_gguf_that_is_exported_is_the_same_model() {
    for said in said() {
        let (folder, path) = writer::parts(&said.dir).file();
        let to = folder.path().join("exported");
        let file = Checkpoint::open(&path).unwrap();
        file.export(&to, DType::F32).unwrap();
        assert_eq!(DecoderConfig::from_dir(&to).unwrap(), file.config().unwrap(), "{}", said.name);
        let sequences = &reference(&within(&said.name)).sequences[2..];
        let rows = |path| logits(&mut Engine::open(path, &Device::flex(), options(&said.name)).unwrap(), sequences);
        assert_eq!(rows(path.as_path()), rows(to.as_path()), "{}", said.name);
    }
}

#[test]
fn a_split_file_of_another_family_is_read_whole() {
    for name in ["qwen3", "phi3-mini4"] {
        let folder = tempfile::tempdir().unwrap();
        let parts = parts(name).split(3);
        for (number, part) in parts.iter().enumerate() {
            part.write(&folder.path().join(format!("model-{:05}-of-00003.gguf", number + 1)));
        }
        let known = reference(&within(name));
        let second = folder.path().join("model-00002-of-00003.gguf");
        let mut engine = Engine::open(&second, &Device::flex(), options(name)).unwrap();
        for (found, expected) in logits(&mut engine, &known.sequences).iter().zip(&known.logits) {
            assert!(gap(found, expected) <= 1e-4, "{name}");
        }
    }
}

/// A file's configuration as JSON, for tests that compare what it says.
fn described(config: &DecoderConfig) -> Json {
    serde_json::to_value(config).unwrap()
}
