//! Checkpoints that are converted to directories, and read again.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device};
use safetensors::Dtype;
use saffron_core::Vocabulary;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::checkpoint::safetensors::SafetensorsFile;
use saffron_mrm::engine::Engine;
use saffron_mrm::text::Message;
use saffron_mrm::{LoadError, ModelOptions};
use serde_json::Value;

use crate::fixtures::{MODELS, copy, dir, logits, reference};

const TEXTS: [&str; 3] = ["What is the capital of France?", "1234 + 5678 = 6912", "ünïcödé 漢字\n\n  <|eos|> don't"];

fn export(from: &Path, dtype: DType) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/converted");
    let names = Checkpoint::open(from).unwrap().export(&out, dtype).unwrap();
    assert!(names.iter().all(|name| out.join(name).is_file()), "{names:?}");
    assert_eq!(listed(out.parent().unwrap()), ["converted"], "nothing is left beside it");
    (folder, out)
}

fn listed(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn weights(path: &Path) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let mut file = SafetensorsFile::open(&path.join("model.safetensors")).unwrap();
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let mut read = |name: String| {
        let bits = file.read_f32(&name).unwrap().into_iter().map(f32::to_bits).collect();
        (name.clone(), file.shape(&name).unwrap().to_vec(), bits)
    };
    names.into_iter().map(&mut read).collect()
}

/// Whether two checkpoints are the same model: configuration, tokenizer, ends, template, and logits
/// bit for bit.
fn assert_same(one: &Path, other: &Path, sequences: &[Vec<u32>]) {
    let (left, right) = (Checkpoint::open(one).unwrap(), Checkpoint::open(other).unwrap());
    assert_eq!(left.config().unwrap(), right.config().unwrap());
    let (ours, theirs) = (left.tokenizer().unwrap(), right.tokenizer().unwrap());
    assert_eq!((ours.id(), ours.bos(), ours.eos()), (theirs.id(), theirs.bos(), theirs.eos()));
    for text in TEXTS {
        assert_eq!(ours.encode(text).unwrap(), theirs.encode(text).unwrap(), "{text}");
        let markup = format!("<|bos|>{text}<|eos|>");
        assert_eq!(ours.encode_markup(&markup).unwrap(), theirs.encode_markup(&markup).unwrap(), "{text}");
    }
    assert_eq!(left.end_tokens(&ours).unwrap(), right.end_tokens(&theirs).unwrap());
    let template = |checkpoint: &Checkpoint| {
        let template = checkpoint.chat_template().unwrap();
        template.map(|template| template.render(&[Message::user("Hi")]).unwrap())
    };
    assert_eq!(template(&left), template(&right));
    let open = |path: &Path| Engine::open(path, &Device::flex(), ModelOptions::default()).unwrap();
    assert!(logits(&mut open(one), sequences) == logits(&mut open(other), sequences), "the same bits");
}

#[test]
fn a_directory_is_copied_with_equal_weights() {
    for model in MODELS {
        let from = dir(model).join("policy");
        let (_folder, out) = export(&from, DType::F32);
        assert_eq!(listed(&out), listed(&from));
        assert!(weights(&out) == weights(&from));
        for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
            assert_eq!(fs::read(out.join(name)).unwrap(), fs::read(from.join(name)).unwrap(), "{name}");
        }
        assert_eq!(json(&out.join("config.json")), json(&from.join("config.json")));
        assert_same(&from, &out, &reference(model).sequences);
    }
}

#[test]
fn every_file_of_a_directory_that_a_tokenizer_may_have_is_copied() {
    let from = copy(&dir("tiny-a").join("policy"));
    let template = "{% generation %}{{ messages[0].content }}{% endgeneration %}";
    for (name, text) in [("chat_template.jinja", template), ("special_tokens_map.json", "{}"), ("notes.txt", "no")] {
        fs::write(from.path().join(name), text).unwrap();
    }
    let folder = "additional_chat_templates";
    fs::create_dir(from.path().join(folder)).unwrap();
    for name in ["default.jinja", "rag.jinja", "other.txt"] {
        fs::write(from.path().join(folder).join(name), name).unwrap();
    }
    fs::write(from.path().join("chat_template.json"), "{}").unwrap();
    fs::remove_file(from.path().join("generation_config.json")).unwrap();
    let mut config = json(&from.path().join("config.json"));
    config["dtype"] = "float32".into();
    fs::write(from.path().join("config.json"), config.to_string()).unwrap();
    let (_folder, out) = export(from.path(), DType::BF16);
    let expected = [folder, "chat_template.jinja", "chat_template.json", "config.json", "model.safetensors"];
    let tokenizer = ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"];
    assert_eq!(listed(&out), [&expected[..], &tokenizer].concat());
    assert_eq!(listed(&out.join(folder)), ["default.jinja", "rag.jinja"]);
    let template_of =
        |dir: &Path| Checkpoint::open(dir).unwrap().chat_template().unwrap().unwrap().render(&[]).unwrap();
    assert_eq!((template_of(from.path()), template_of(&out)), ("default.jinja".into(), "default.jinja".into()));
    assert_eq!(fs::read_to_string(out.join("chat_template.jinja")).unwrap(), template);
    let config = json(&out.join("config.json"));
    assert_eq!((&config["dtype"], &config["torch_dtype"]), (&"bfloat16".into(), &"bfloat16".into()));
}

#[test]
fn weights_may_be_rounded_on_the_way() {
    let from = dir("tiny-b").join("policy");
    let exact = weights(&from);
    for (dtype, file, name, bound) in
        [(DType::F16, Dtype::F16, "float16", 5e-4), (DType::BF16, Dtype::BF16, "bfloat16", 4e-3)]
    {
        let (_folder, out) = export(&from, dtype);
        let written = SafetensorsFile::open(&out.join("model.safetensors")).unwrap();
        assert!(written.names().all(|name| written.dtype(name) == Some(file)));
        assert_eq!(json(&out.join("config.json"))["torch_dtype"], name);
        let rounded = weights(&out);
        assert!(rounded != exact);
        for ((name, shape, found), (other, expected_shape, expected)) in rounded.iter().zip(&exact) {
            assert_eq!((name, shape), (other, expected_shape));
            for (found, expected) in found.iter().zip(expected).map(|(a, b)| (f32::from_bits(*a), f32::from_bits(*b))) {
                assert!((found - expected).abs() <= bound * expected.abs() + 6e-8, "{name}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn what_is_there_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::open(dir("tiny-a").join("policy")).unwrap();
    let (file, taken, empty) = (folder.path().join("file"), folder.path().join("taken"), folder.path().join("empty"));
    fs::write(&file, "here").unwrap();
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("notes.txt"), "here").unwrap();
    fs::create_dir(&empty).unwrap();
    for path in [&file, &taken] {
        let error = checkpoint.export(path, DType::F32).unwrap_err();
        assert!(matches!(&error, LoadError::Field { path: named, .. } if named == path), "{error}");
        assert!(error.to_string().contains("expected a new or an empty directory"), "{error}");
    }
    assert_eq!(listed(&taken), ["notes.txt"]);
    let error = checkpoint.export(Path::new("/"), DType::F32).unwrap_err();
    assert!(error.to_string().contains("the path of a new directory"), "{error}");
    checkpoint.export(&empty, DType::F32).unwrap();
    assert!(empty.join("model.safetensors").is_file());
    assert!(checkpoint.export(&empty, DType::F32).is_err(), "a second time");
    assert_eq!(listed(folder.path()), ["empty", "file", "taken"], "nothing is left beside them");
}

#[test]
fn what_does_not_load_is_refused_and_leaves_nothing() {
    let refused = |damage: &dyn Fn(&Path), dtype: DType, says: &[&str]| {
        let (from, folder) = (copy(&dir("tiny-a").join("policy")), tempfile::tempdir().unwrap());
        damage(from.path());
        let error = Checkpoint::open(from.path()).unwrap().export(&folder.path().join("out"), dtype).unwrap_err();
        assert!(says.iter().all(|word| error.to_string().contains(word)), "{says:?} in {error}");
        assert_eq!(listed(folder.path()), <[&str; 0]>::default());
    };
    refused(&|_| (), DType::I32, &["dtype", "F32, BF16 or F16"]);
    refused(&|dir| fs::remove_file(dir.join("tokenizer.json")).unwrap(), DType::F32, &["tokenizer.json"]);
    refused(&|dir| fs::write(dir.join("chat_template.jinja"), "{% if %}").unwrap(), DType::F32, &["chat_template"]);
    refused(&|dir| fs::write(dir.join("generation_config.json"), "[").unwrap(), DType::F32, &["generation_config"]);
    let drop_a_tensor = |dir: &Path| rewrite(dir, |name, _| name != "model.norm.weight");
    refused(&drop_a_tensor, DType::F32, &["1 missing tensors: model.norm.weight"]);
    let enlarge = |dir: &Path| {
        rewrite(dir, |name, values| {
            values[3] = if name == "model.norm.weight" { 70_000.0 } else { values[3] };
            true
        });
    };
    refused(&enlarge, DType::F16, &["model.norm.weight", "values that f16 can hold, up to 65504", "70000"]);
}

/// Writes a directory's weights anew, those that `keep` keeps, as it changes them.
fn rewrite(dir: &Path, keep: impl Fn(&str, &mut [f32]) -> bool) {
    let mut parts = Vec::new();
    for (name, shape, bits) in weights(dir) {
        let mut values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        if keep(&name, &mut values) {
            parts.push((name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()));
        }
    }
    let views = parts.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
}

#[cfg(feature = "gguf")]
mod gguf {
    use candle_core::quantized::GgmlDType;
    use candle_core::quantized::gguf_file::Value as Field;
    use saffron_mrm::RopeScaling;
    use serde_json::json;

    use super::*;
    use crate::gguf::Parts;

    #[test]
    fn a_gguf_is_the_same_model_as_a_directory() {
        for model in MODELS {
            for kind in [GgmlDType::F32, GgmlDType::F16, GgmlDType::Q4_1, GgmlDType::Q8_0] {
                let (_gguf, path) = Parts::of(model, kind).file();
                let (_folder, out) = export(&path, DType::F32);
                assert_same(&path, &out, &reference(model).sequences);
            }
        }
    }

    #[test]
    fn its_files_are_made_of_its_metadata() {
        let template = "{{ bos_token }}{% generation %}{{ messages[0].content }}{% endgeneration %}";
        let (_gguf, path) = Parts::of("tiny-b", GgmlDType::F32)
            .with("tokenizer.chat_template", Field::String(template.to_owned()))
            .with("tokenizer.ggml.eot_token_id", Field::U32(7))
            .with("tokenizer.ggml.padding_token_id", Field::U32(1))
            .file();
        let (_folder, out) = export(&path, DType::F32);
        let files = ["config.json", "generation_config.json", "model.safetensors"];
        assert_eq!(listed(&out), [&files[..], &["tokenizer.json", "tokenizer_config.json"]].concat());
        let from = dir("tiny-b").join("policy");
        assert!(weights(&out) == weights(&from));
        let (config, expected) = (json(&out.join("config.json")), json(&from.join("config.json")));
        let keys = ["bos_token_id", "rms_norm_eps", "rope_theta", "head_dim", "tie_word_embeddings", "torch_dtype"];
        for key in keys {
            assert_eq!(config[key], expected[key], "{key}");
        }
        assert_eq!(config["rope_scaling"]["rope_type"], "llama3");
        assert_eq!(config["rope_scaling"]["original_max_position_embeddings"], 64);
        let read = Checkpoint::open(&out).unwrap().config().unwrap();
        assert!(
            matches!(read.layer(0).rotary.as_ref().unwrap().scaling, RopeScaling::Llama3 { factor: 32.0, .. }),
            "{read:?}"
        );
        assert_eq!(json(&out.join("generation_config.json")), json!({ "bos_token_id": 0, "eos_token_id": [1, 7] }));
        let about = json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|bos|>", "eos_token": "<|eos|>",
            "pad_token": "<|eos|>", "chat_template": template, "clean_up_tokenization_spaces": false,
        });
        assert_eq!(json(&out.join("tokenizer_config.json")), about);
    }

    #[test]
    fn the_end_of_a_turn_stays_a_control_token() {
        let from = Checkpoint::open(dir("tiny-b").join("policy")).unwrap().tokenizer().unwrap();
        let words = from.encode("one question").unwrap();
        let text = |id: u32| from.decode_text(&[id]).unwrap();
        let word = words.iter().copied().find(|id| text(*id).trim().len() > 1).unwrap();
        let (_gguf, path) =
            Parts::of("tiny-b", GgmlDType::F32).with("tokenizer.ggml.eot_token_id", Field::U32(word)).file();
        let (_folder, out) = export(&path, DType::F32);
        for checkpoint in [&path, &out] {
            let tokenizer = Checkpoint::open(checkpoint).unwrap().tokenizer().unwrap();
            assert!(tokenizer.is_control(word), "{word} {:?}", text(word));
            assert!(!tokenizer.encode("one question").unwrap().contains(&word));
        }
        let special = &json(&out.join("tokenizer_config.json"))["additional_special_tokens"];
        assert_eq!(special.as_array().unwrap().len(), 1, "{special}");
    }

    #[test]
    fn a_word_that_is_named_for_padding_stays_a_word() {
        let from = Checkpoint::open(dir("tiny-b").join("policy")).unwrap().tokenizer().unwrap();
        let text = |id: u32| from.decode_text(&[id]).unwrap();
        let ordinary = |id: &u32| !text(*id).is_empty() && !from.is_control(*id);
        let letter = (0..190).filter(ordinary).find(|id| text(*id).chars().count() == 1).unwrap();
        let word = (0..190).filter(ordinary).find(|id| text(*id).chars().count() > 2).unwrap();
        for pad in [letter, word] {
            let parts = Parts::of("tiny-b", GgmlDType::F32);
            let (_gguf, path) = parts.with("tokenizer.ggml.padding_token_id", Field::U32(pad)).file();
            let (_folder, out) = export(&path, DType::F32);
            let [before, after] = [&path, &out].map(|path| Checkpoint::open(path).unwrap().tokenizer().unwrap());
            assert_eq!(after.decode_text(&[pad]).unwrap(), text(pad), "{pad}");
            assert_eq!(after.encode(&text(pad)).unwrap(), before.encode(&text(pad)).unwrap(), "{pad}");
            assert_eq!(after.is_control(pad), before.is_control(pad), "{pad}");
        }
    }

    #[test]
    fn what_it_does_not_name_is_not_written() {
        let parts = Parts::of("tiny-a", GgmlDType::F32);
        let parts = ["tokenizer.chat_template", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"]
            .iter()
            .fold(parts, |parts, key| parts.without(key));
        let (_gguf, path) = parts.file();
        let (_folder, out) = export(&path, DType::F32);
        let about = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false });
        assert_eq!(json(&out.join("tokenizer_config.json")), about);
        assert_eq!(json(&out.join("generation_config.json")), json!({}));
        assert_same(&path, &out, &reference("tiny-a").sequences);
    }

    #[test]
    fn a_directory_that_was_made_converts_to_itself() {
        let (_gguf, path) = Parts::of("tiny-b", GgmlDType::Q4_0).file();
        let (_folder, first) = export(&path, DType::F32);
        let (_other, second) = export(&first, DType::F32);
        for name in listed(&first) {
            assert!(fs::read(first.join(&name)).unwrap() == fs::read(second.join(&name)).unwrap(), "{name}");
        }
    }
}
