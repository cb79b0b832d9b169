//! Families' checkpoints, written and read again.

use std::path::Path;

use burn::tensor::{DType, Device};
use saffron_mrm::checkpoint::{Checkpoint, LoraWeights, Projection};
use saffron_mrm::nn::Decoder;
use saffron_mrm::{Biases, Choices, DecoderConfig, NormPlaces};
use serde_json::{Value, json};

use super::{families, path};

fn bits(decoder: &Decoder) -> Vec<u32> {
    let matrices = decoder.matrices().cloned();
    let norms = decoder.blocks().iter().flat_map(|block| block.norms.each()).map(|(_, norm)| norm.weight().clone());
    let tensors = matrices.chain(norms).chain([decoder.norm().weight().clone()]);
    tensors.flat_map(|tensor| tensor.into_data().try_into_vec::<f32>().unwrap()).map(f32::to_bits).collect()
}

#[test]
fn a_decoder_that_is_written_loads_with_the_same_bits() {
    for name in families() {
        let decoder = Decoder::from_dir(&path(&name).join("policy"), DType::F32, &Device::flex()).unwrap();
        let out = tempfile::tempdir().unwrap();
        decoder.save(out.path(), DType::F32).unwrap();
        let again = Decoder::from_dir(out.path(), DType::F32, &Device::flex()).unwrap();
        assert_eq!(again.config(), decoder.config(), "{name}");
        assert!(bits(&again) == bits(&decoder), "{name}");
    }
}

#[test]
fn a_checkpoint_that_is_exported_is_the_same_model() {
    for name in families() {
        let out = tempfile::tempdir().unwrap();
        let to = out.path().join("model");
        let source = Checkpoint::open(path(&name).join("policy")).unwrap();
        source.export(&to, DType::F32).unwrap();
        assert_eq!(DecoderConfig::from_dir(&to).unwrap(), source.config().unwrap(), "{name}");
        let load = |dir| Decoder::from_dir(dir, DType::F32, &Device::flex()).unwrap();
        assert!(bits(&load(&to)) == bits(&load(source.path())), "{name}");
    }
}

/// Choices that a family's files have no fields for are refused when they are written, not lost.
#[test]
fn what_a_file_cannot_say_is_not_written() {
    let config = DecoderConfig::from_dir(&path("llama-linear").join("policy")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let foreign = [
        Choices { score_cap: Some(50.0), ..config.choices.clone() },
        Choices { biases: Biases { qkv: true, ..Biases::default() }, ..config.choices.clone() },
        Choices { norms: NormPlaces::After, ..config.choices.clone() },
    ];
    for choices in foreign {
        let error = DecoderConfig { choices, ..config.clone() }.save(file.path(), "float32").unwrap_err();
        assert!(error.to_string().contains("choices that a llama has"), "{error}");
    }
    config.save(file.path(), "float32").unwrap();
}

/// Patterns of an adapter match the names that its own model's modules have.
#[test]
fn a_multimodal_adapters_patterns_match_the_names_of_its_own_model() {
    for (name, module) in [
        ("gemma3-multimodal", "language_model.layers.0.self_attn.q_proj"),
        ("gemma3-multimodal-old", "language_model.model.layers.0.self_attn.q_proj"),
    ] {
        let model = DecoderConfig::from_dir(&path(name).join("guard")).unwrap();
        let copy = crate::fixtures::copy(&path(name).join("mrm"));
        let scales = |pattern: Option<&str>| {
            crate::fixtures::edit_json(&copy.path().join("adapter_config.json"), |config| {
                config["alpha_pattern"] = pattern.map_or(json!({}), |pattern| json!({ pattern: 64.0 }));
            });
            let (lora, _) = LoraWeights::from_dir(copy.path(), &model, &Device::flex()).unwrap();
            lora.pairs.into_iter().map(|(place, pair)| (place, pair.scale)).collect::<Vec<_>>()
        };
        let plain = scales(None);
        let changed = scales(Some(module));
        assert_eq!(plain.len(), changed.len());
        for ((place, plain), (_, changed)) in plain.iter().zip(&changed) {
            let expected = *place == (0, Projection::Query);
            assert_eq!(plain != changed, expected, "{name} {place:?}: {plain} and {changed}");
        }
        crate::fixtures::edit_json(&copy.path().join("adapter_config.json"), |config| {
            config["target_modules"] = json!(format!(".*language_model.*\\.({})", targets(config)));
            config["alpha_pattern"] = json!({});
        });
        let (lora, _) = LoraWeights::from_dir(copy.path(), &model, &Device::flex()).unwrap();
        assert_eq!(lora.pairs.len(), plain.len(), "{name}");
    }
}

/// An adapter is written under the names that it was read by, which are its own model's. Factors of
/// the vision tower are left out where it is read.
#[test]
fn a_multimodal_adapter_is_written_as_its_own_model_names_it() {
    let names = |dir: &Path| -> Vec<String> {
        let bytes = std::fs::read(dir.join("adapter_model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let of_text = file.names().into_iter().filter(|name| !name.contains("vision_tower"));
        let mut names: Vec<String> = of_text.map(str::to_owned).collect();
        names.sort_unstable();
        names
    };
    let prefix = "model.language_model.";
    // The second is of older files, whose model PEFT finds under today's names, too.
    for name in ["gemma3-multimodal", "gemma3-multimodal-old"] {
        let (dir, out) = (path(name).join("mrm"), tempfile::tempdir().unwrap());
        let model = DecoderConfig::from_dir(&path(name).join("guard")).unwrap();
        let (lora, config) = LoraWeights::from_dir(&dir, &model, &Device::flex()).unwrap();
        assert_eq!(config.text_prefix, Some(prefix), "{name}");
        lora.save(out.path(), &config).unwrap();
        assert_eq!(names(out.path()), names(&dir), "{name}");
        let (again, read) = LoraWeights::from_dir(out.path(), &model, &Device::flex()).unwrap();
        assert_eq!(read.text_prefix, Some(prefix), "{name}");
        for (place, pair) in &lora.pairs {
            let other = &again.pairs[place];
            assert_eq!(pair.scale.to_bits(), other.scale.to_bits());
            assert_eq!(pair.a.to_data(), other.a.to_data());
            assert_eq!(pair.b.to_data(), other.b.to_data());
        }
        assert_eq!(lora.pairs.len(), again.pairs.len(), "{name}");
    }
    let text = Checkpoint::open(path("gemma3").join("guard")).unwrap();
    assert_eq!(text.text_prefix().unwrap(), None);
}

/// PEFT saves the base's weight beside the factors of `lm_head`, unless it is told not to.
#[test]
fn the_bases_unembedding_beside_an_adapter_is_left_out() {
    let model = DecoderConfig::from_dir(&path("llama-lm-head").join("guard")).unwrap();
    let copy = crate::fixtures::copy(&path("llama-lm-head").join("mrm"));
    let pairs = |dir| LoraWeights::from_dir(dir, &model, &Device::flex()).map(|(lora, _)| lora.pairs.len());
    let expected = pairs(copy.path()).unwrap();
    let weights = copy.path().join("adapter_model.safetensors");
    let with = |name: &str, shape: [usize; 2]| {
        let bytes = std::fs::read(path("llama-lm-head").join("mrm/adapter_model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let values = vec![0; 4 * shape[0] * shape[1]];
        let more = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &values).unwrap();
        let all = file.tensors().into_iter().chain([(name.to_owned(), more)]);
        std::fs::write(&weights, safetensors::serialize(all, None).unwrap()).unwrap();
        pairs(copy.path())
    };
    let base = "base_model.model.lm_head.base_layer.weight";
    assert_eq!(with(base, [model.vocab_size, model.hidden_size]).unwrap(), expected);
    assert!(with(base, [model.vocab_size, 1]).is_err(), "of another shape");
    assert!(with("base_model.model.model.norm.weight", [1, 1]).is_err(), "another tensor");
}

/// The names of a configuration's modules as a regular expression.
fn targets(config: &Value) -> String {
    let names = config["target_modules"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    names.collect::<Vec<_>>().join("|")
}
