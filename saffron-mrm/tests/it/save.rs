//! Decoders that are written and read again.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::Dtype;
use saffron_mrm::checkpoint::LoraWeights;
use saffron_mrm::checkpoint::safetensors::SafetensorsFile;
use saffron_mrm::nn::{Block, BlockNorms, Decoder, Linear, RmsNorm};
use saffron_mrm::{Biases, Choices, DecoderConfig, Layer, Layers, LoadError, RopeScaling, Rotary};

use crate::fixtures::{MODELS, dir};

fn load(dir: &Path, dtype: DType) -> Decoder {
    Decoder::from_dir(dir, dtype, &Device::flex()).unwrap()
}

/// All weights, norms and biases included, in order.
fn bits(decoder: &Decoder) -> Vec<Vec<u32>> {
    let weights = std::cell::RefCell::new(Vec::new());
    let _ = decoder.map_weights(|weight| {
        let data = weight.to_data().convert::<f32>();
        weights.borrow_mut().push(data.iter::<f32>().map(f32::to_bits).collect());
        weight
    });
    weights.into_inner()
}

/// Weights that are all different.
fn weight(shape: [usize; 2], first: &mut u32) -> Tensor<2> {
    let count = (shape[0] * shape[1]) as u32;
    let values: Vec<f32> = (*first..*first + count).map(|at| (at as f32).sin()).collect();
    *first += count;
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// What the fixtures are not: an unembedding and biases of its own, heads that are not as wide together as the stream.
fn untied() -> Decoder {
    let scaling = RopeScaling::Llama3 {
        factor: 8.5,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192.0,
    };
    let config = DecoderConfig {
        hidden_size: 6,
        intermediate_size: 10,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 4,
        vocab_size: 9,
        tie_word_embeddings: false,
        eos_token_ids: vec![3, 5],
        choices: Choices {
            biases: Biases { qkv: true, output: true, mlp: true },
            layers: Layers::Alike(Layer { rotary: Some(Rotary { scaling, ..Rotary::plain(10_000.0) }), window: None }),
            ..Choices::llama(10_000.0)
        },
        ..load(&dir("tiny-a").join("policy"), DType::F32).config().clone()
    };
    let first = &mut 0;
    let mut linear = |shape: [usize; 2]| Linear::new(weight(shape, first), Some(weight([shape[0], 1], first)));
    let linears: Vec<[Linear; 4]> =
        (0..2).map(|_| [linear([32, 6]), linear([6, 16]), linear([20, 6]), linear([6, 10])]).collect();
    let mut norm = || RmsNorm::new(weight([6, 1], first), config.rms_norm_eps);
    let block = |[qkv, output, gate_up, down]: [Linear; 4]| Block {
        norms: BlockNorms { before_attention: Some(norm()), before_mlp: Some(norm()), ..BlockNorms::default() },
        qkv,
        output,
        gate_up,
        down,
    };
    let blocks = linears.into_iter().map(block).collect();
    let last = norm();
    let (embedding, head) = (weight([9, 6], first), weight([9, 6], first));
    Decoder::new(config, embedding, blocks, last, Some(head))
}

fn all() -> Vec<Decoder> {
    let fixtures = MODELS.iter().flat_map(|model| ["policy", "guard"].map(|part| dir(model).join(part)));
    fixtures.map(|dir| load(&dir, DType::F32)).chain([untied()]).collect()
}

#[test]
fn a_decoder_that_is_written_loads_with_the_same_bits() {
    for decoder in all() {
        let out = tempfile::tempdir().unwrap();
        decoder.save(out.path(), DType::F32).unwrap();
        let loaded = load(out.path(), DType::F32);
        assert_eq!(loaded.config(), decoder.config());
        assert!(bits(&loaded) == bits(&decoder));
        let mut names: Vec<_> = std::fs::read_dir(out.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "model.safetensors"]);
    }
}

#[test]
fn a_fixture_is_written_with_the_tensors_that_it_was_read_from() {
    for model in MODELS {
        let (from, out) = (dir(model).join("policy"), tempfile::tempdir().unwrap());
        load(&from, DType::F32).save(out.path(), DType::F32).unwrap();
        let open = |dir: &Path| SafetensorsFile::open(&dir.join("model.safetensors")).unwrap();
        let (mut written, mut read) = (open(out.path()), open(&from));
        assert_eq!(written.names().collect::<Vec<_>>(), read.names().collect::<Vec<_>>());
        let names: Vec<String> = read.names().map(str::to_owned).collect();
        let tied = load(&from, DType::F32).config().tie_word_embeddings;
        assert_ne!(names.iter().any(|name| name == "lm_head.weight"), tied, "a tied head is not written twice");
        for name in &names {
            assert_eq!(written.shape(name), read.shape(name));
            assert_eq!(written.read_f32(name).unwrap(), read.read_f32(name).unwrap(), "{name}");
        }
    }
}

#[test]
fn weights_may_be_rounded_to_half_their_size() {
    for (dtype, file, name) in [(DType::BF16, Dtype::BF16, "bfloat16"), (DType::F16, Dtype::F16, "float16")] {
        let (decoder, out) = (untied(), tempfile::tempdir().unwrap());
        decoder.save(out.path(), dtype).unwrap();
        let expected = decoder.map_weights(|weight| weight.cast(dtype).cast(DType::F32));
        let loaded = load(out.path(), DType::F32);
        assert!(bits(&loaded) == bits(&expected));
        assert!(bits(&loaded) != bits(&decoder));
        let written = SafetensorsFile::open(&out.path().join("model.safetensors")).unwrap();
        assert!(written.names().all(|name| written.dtype(name) == Some(file)));
        let config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(out.path().join("config.json")).unwrap()).unwrap();
        assert_eq!(config["torch_dtype"], name);
        assert_eq!(config["rope_scaling"]["original_max_position_embeddings"], 8192, "a whole number");
    }
}

#[test]
fn an_adapter_beside_the_weights_is_written_into_them() {
    let base = load(&dir("tiny-a").join("guard"), DType::F32);
    let (lora, _) = LoraWeights::from_dir(&dir("tiny-a").join("mrm"), base.config(), &Device::flex()).unwrap();
    let out = tempfile::tempdir().unwrap();
    base.clone().with_lora(lora.clone()).save(out.path(), DType::F32).unwrap();
    let loaded = bits(&load(out.path(), DType::F32));
    assert!(loaded == bits(&base.clone().merged(&lora)));
    assert!(loaded != bits(&base));
}

#[test]
fn what_cannot_be_written_is_refused_and_what_was_there_stays() {
    let decoder = untied();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("a file");
    std::fs::write(&file, "here").unwrap();
    let error = decoder.save(&file, DType::F32).unwrap_err();
    assert!(matches!(&error, LoadError::Io { path, .. } if *path == file), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"here");
    let taken = out.path().join("taken");
    std::fs::create_dir_all(taken.join("model.safetensors")).unwrap();
    let error = decoder.save(&taken, DType::F32).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    assert!(!taken.join("config.json").exists());
    std::fs::remove_dir(taken.join("model.safetensors")).unwrap();
    std::fs::create_dir(taken.join("config.json")).unwrap();
    let error = decoder.save(&taken, DType::F32).unwrap_err();
    assert!(matches!(&error, LoadError::Io { path, .. } if *path == taken.join("config.json")), "{error}");
    let error = decoder.save(out.path(), DType::I32).unwrap_err();
    assert!(matches!(&error, LoadError::Field { field, .. } if field == "dtype"), "{error}");
}

#[test]
fn a_configuration_as_json_is_its_file() {
    let config = untied().config().clone();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("config.json");
    std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
    assert_eq!(DecoderConfig::from_file(&path).unwrap(), config);
    let wrong = DecoderConfig { num_key_value_heads: 3, ..config };
    assert!(wrong.validate().unwrap_err().to_string().contains("num_key_value_heads"));
}

const KILLED: &str = "save::a_child_writes_until_it_is_killed";
const FOLDER: &str = "SAFFRON_TEST_SAVE";

/// Two decoders of the same sizes whose weights and configurations differ.
fn pair() -> [Decoder; 2] {
    let one = load(&dir("tiny-a").join("policy"), DType::F32);
    let halved = one.map_weights(|weight| weight * 0.5);
    let config = DecoderConfig { rms_norm_eps: 0.25, ..one.config().clone() };
    let out = tempfile::tempdir().unwrap();
    halved.save(out.path(), DType::F32).unwrap();
    config.save(&out.path().join("config.json"), "float32").unwrap();
    [one, load(out.path(), DType::F32)]
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn a_child_writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    for decoder in pair().iter().cycle().take(100_000) {
        decoder.save(Path::new(&folder), DType::F32).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_killed_at_any_moment_leaves_the_old_checkpoint_or_the_new_one() {
    use std::os::unix::fs::MetadataExt;

    let (root, pair) = (tempfile::tempdir().unwrap(), pair());
    let folder = root.path().join("model");
    pair[0].save(&folder, DType::F32).unwrap();
    std::fs::write(folder.join("tokenizer.json"), "the caller's").unwrap();
    let begun = std::time::Instant::now();
    pair[0].save(&folder, DType::F32).unwrap();
    let a_save = begun.elapsed();
    let expected = pair.each_ref().map(|decoder| (decoder.config().clone(), bits(decoder)));
    assert!(expected[0].0 != expected[1].0 && expected[0].1 != expected[1].1);
    let mut seen = [0; 2];
    // Some kills in each of two saves and more, until both checkpoints have been left.
    for moment in 0.. {
        if moment >= 20 && seen.iter().all(|count| *count > 0) {
            break;
        }
        assert!(moment < 80, "{seen:?}");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args([KILLED, "--exact", "--ignored"]).env(FOLDER, &folder).stdout(std::process::Stdio::null());
        let mut child = child.spawn().unwrap();
        // It has begun when the weights are others than before.
        let file = || folder.join("model.safetensors").metadata().map(|found| MetadataExt::ino(&found)).ok();
        let (before, since) = (file(), std::time::Instant::now());
        while file().is_none_or(|now| Some(now) == before) {
            assert!(since.elapsed().as_secs() < 60, "nothing is written");
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        std::thread::sleep(a_save * (moment % 20) / 8);
        child.kill().unwrap();
        child.wait().unwrap();
        let left = load(&folder, DType::F32);
        let found = (left.config().clone(), bits(&left));
        let place = expected.iter().position(|one| *one == found);
        seen[place.unwrap_or_else(|| panic!("kill {moment} left a mixture"))] += 1;
        assert_eq!(std::fs::read_to_string(folder.join("tokenizer.json")).unwrap(), "the caller's");
    }
}
