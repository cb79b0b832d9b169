//! Damaged and foreign files: every one gives an error that names file, field and values.

use std::fs;
use std::io::Write;
use std::path::Path;

use burn::tensor::Device;
use saffron_mrm::RewardHead;
use saffron_mrm::checkpoint::torch::{TorchVector, read_vector, write_vector};
use saffron_mrm::checkpoint::{AdapterConfig, RewardHeadFiles};
use saffron_mrm::{LmPolicy, LoadError, ModelOptions, Mrm};
use serde_json::{Value, json};

use crate::fixtures::{MODELS, assert_says, copy, dir, edit_json};

const WEIGHTS: &str = "model.safetensors";

/// The error of opening a damaged copy of a policy directory.
fn policy_error(model: &str, damage: impl FnOnce(&Path)) -> LoadError {
    let copy = copy(&dir(model).join("policy"));
    damage(copy.path());
    LmPolicy::open(copy.path(), &Device::flex()).expect_err("a damaged checkpoint does not load")
}

/// The error of adding a damaged copy of an adapter to its base.
fn adapter_error(model: &str, damage: impl FnOnce(&Path)) -> LoadError {
    let copy = copy(&dir(model).join("mrm"));
    damage(copy.path());
    let base = Mrm::builder(dir(model).join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
    base.with_adapter(copy.path()).expect_err("a damaged adapter does not load")
}

fn edit_bytes(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// A safetensors file's header and the bytes after it.
fn split_header(bytes: &[u8]) -> (Value, &[u8]) {
    let size = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + size]).unwrap(), &bytes[8 + size..])
}

fn edit_header(path: &Path, change: impl FnOnce(&mut Value)) {
    edit_bytes(path, |bytes| {
        let (mut header, data) = split_header(bytes);
        change(&mut header);
        let header = serde_json::to_vec(&header).unwrap();
        *bytes = [&(header.len() as u64).to_le_bytes()[..], &header, data].concat();
    });
}

#[test]
fn truncated_weights_are_refused_with_both_lengths() {
    let full = fs::metadata(dir("tiny-a").join("policy").join(WEIGHTS)).unwrap().len();
    let error = policy_error("tiny-a", |dir| edit_bytes(&dir.join(WEIGHTS), |bytes| bytes.truncate(100_000)));
    assert!(matches!(error, LoadError::Length { found: 100_000, expected, .. } if expected == full), "{error}");
    assert_says(&error, &[WEIGHTS, "100000", &full.to_string()]);
}

#[test]
fn weights_with_something_after_their_end_are_refused() {
    let error = policy_error("tiny-a", |dir| edit_bytes(&dir.join(WEIGHTS), |bytes| bytes.push(0)));
    assert!(matches!(error, LoadError::Length { .. }), "{error}");
}

#[test]
fn garbage_is_no_safetensors_file() {
    for garbage in [&b""[..], b"1234567", &[7; 4096], b"\x10\0\0\0\0\0\0\0not a header at all"] {
        let error = policy_error("tiny-a", |dir| fs::write(dir.join(WEIGHTS), garbage).unwrap());
        assert!(matches!(error, LoadError::Length { .. } | LoadError::Safetensors { .. }), "{error}");
        assert_says(&error, &[WEIGHTS]);
    }
}

#[test]
fn a_header_larger_than_the_file_is_refused_before_it_is_read() {
    for size in [u64::MAX, 1 << 40, 400_000] {
        let error = policy_error("tiny-a", |dir| {
            edit_bytes(&dir.join(WEIGHTS), |bytes| bytes[..8].copy_from_slice(&size.to_le_bytes()));
        });
        assert!(matches!(error, LoadError::Length { what: "the header", .. }), "{error}");
    }
}

#[test]
fn tensors_that_overlap_or_overflow_are_refused() {
    let name = "model.norm.weight";
    let error = policy_error("tiny-a", |dir| {
        edit_header(&dir.join(WEIGHTS), |header| header[name]["data_offsets"] = json!([0, 256]));
    });
    assert!(matches!(error, LoadError::Safetensors { .. }), "{error}");
    let error = policy_error("tiny-a", |dir| {
        edit_header(&dir.join(WEIGHTS), |header| header[name]["shape"] = json!([u64::MAX, u64::MAX]));
    });
    assert!(matches!(error, LoadError::Safetensors { .. }), "{error}");
}

#[test]
fn shapes_that_do_not_fit_the_configuration_are_all_named() {
    let error = policy_error("tiny-a", |dir| {
        edit_json(&dir.join("config.json"), |config| config["intermediate_size"] = json!(96));
    });
    let LoadError::Tensors { mismatch, .. } = &error else { panic!("{error}") };
    assert_eq!(mismatch.misshapen.len(), 6, "gate, up and down of two layers");
    assert_says(&error, &["model.layers.1.mlp.down_proj.weight", "[64, 96]", "[64, 128]"]);
}

#[test]
fn missing_and_unexpected_tensors_are_all_listed() {
    let error = policy_error("tiny-a", |dir| {
        edit_header(&dir.join(WEIGHTS), |header| {
            let header = header.as_object_mut().unwrap();
            for name in ["model.norm.weight", "model.layers.1.input_layernorm.weight"] {
                let tensor = header.remove(name).unwrap();
                header.insert(format!("strange.{name}"), tensor);
            }
        });
    });
    let LoadError::Tensors { mismatch, .. } = &error else { panic!("{error}") };
    assert_eq!(mismatch.missing, ["model.layers.1.input_layernorm.weight", "model.norm.weight"]);
    assert_eq!(mismatch.unexpected, ["strange.model.layers.1.input_layernorm.weight", "strange.model.norm.weight"]);
}

/// The weights of a copy, cut into two shards with an index.
fn shard(dir: &Path) {
    let bytes = fs::read(dir.join(WEIGHTS)).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for (number, shard) in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"].iter().enumerate() {
        let part: Vec<_> = tensors.iter().filter(|(name, _)| name.len() % 2 == number).collect();
        map.extend(part.iter().map(|(name, _)| ((*name).to_owned(), json!(shard))));
        safetensors::serialize_to_file(part, None, &dir.join(shard)).unwrap();
    }
    fs::write(dir.join("model.safetensors.index.json"), json!({ "weight_map": map }).to_string()).unwrap();
    fs::remove_file(dir.join(WEIGHTS)).unwrap();
}

#[test]
fn shards_with_an_index_load_like_one_file() {
    let reference = crate::fixtures::reference("tiny-b");
    let copy = copy(&dir("tiny-b").join("policy"));
    shard(copy.path());
    let mut policy = LmPolicy::open(copy.path(), &Device::flex()).unwrap();
    let found = crate::fixtures::logits(policy.engine(), &reference.sequences);
    assert!(crate::fixtures::gap(&found[0], &reference.logits[0]) < 1e-4);
}

#[test]
fn an_index_may_not_leave_its_directory() {
    for outside in ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", ""] {
        let error = policy_error("tiny-a", |dir| {
            shard(dir);
            edit_json(&dir.join("model.safetensors.index.json"), |index| {
                index["weight_map"]["model.norm.weight"] = json!(outside);
            });
        });
        assert!(matches!(&error, LoadError::ShardOutside { shard, .. } if shard == outside), "{error}");
        assert_says(&error, &["index.json", "model.norm.weight"]);
    }
}

#[test]
fn an_index_and_its_shards_must_agree() {
    let error = policy_error("tiny-a", |dir| {
        shard(dir);
        edit_json(&dir.join("model.safetensors.index.json"), |index| {
            let map = index["weight_map"].as_object_mut().unwrap();
            map.remove("model.norm.weight");
            map.insert("model.other.weight".into(), json!("model-00001-of-00002.safetensors"));
        });
    });
    let LoadError::Tensors { mismatch, .. } = &error else { panic!("{error}") };
    assert_eq!((&mismatch.missing[0][..], &mismatch.unexpected[0][..]), ("model.other.weight", "model.norm.weight"));
}

#[test]
fn a_directory_without_weights_says_what_it_lacks() {
    let error = policy_error("tiny-a", |dir| fs::remove_file(dir.join(WEIGHTS)).unwrap());
    assert_says(&error, &["model.safetensors", "index.json"]);
}

#[test]
fn configurations_that_are_not_supported_are_refused_by_name() {
    let cases = [
        ("rope_scaling", json!({ "rope_type": "proportional" }), vec!["rope_scaling.rope_type", "proportional"]),
        ("rope_scaling", json!({ "type": "dynamic", "factor": 2.0 }), vec!["rope_scaling.rope_type", "dynamic"]),
        ("rope_scaling", json!({ "rope_type": "llama3", "factor": 2.0 }), vec!["low_freq_factor", "nothing"]),
        ("rope_scaling", json!({ "factor": 8.0 }), vec!["rope_scaling.rope_type", "without a type"]),
        ("rope_scaling", json!({ "type": "linear", "rope_type": "linear" }), vec!["rope_scaling.factor", "nothing"]),
        ("rope_scaling", json!({ "type": "linear", "rope_type": "llama3" }), vec!["rope_scaling.type", "linear"]),
        ("num_hidden_layers", json!(1 << 20), vec!["num_hidden_layers", "1048576"]),
        ("model_type", json!("gpt2"), vec!["model_type", "gpt2"]),
        ("hidden_act", json!("gelu"), vec!["hidden_act", "silu", "gelu"]),
        ("num_key_value_heads", json!(3), vec!["num_key_value_heads", "3", "4"]),
        ("head_dim", json!(15), vec!["head_dim", "15"]),
        ("vocab_size", json!(0), vec!["vocab_size", "0"]),
        ("hidden_size", json!(1u64 << 40), vec!["hidden_size"]),
        ("rms_norm_eps", json!(-1.0), vec!["rms_norm_eps", "-1"]),
        ("rope_theta", json!(0.0), vec!["rope_theta"]),
        ("hidden_size", json!("wide"), vec!["hidden_size", "a whole number", "wide"]),
    ];
    for (field, value, says) in cases {
        let error = policy_error("tiny-a", |dir| edit_json(&dir.join("config.json"), |config| config[field] = value));
        assert_says(&error, &[&["config.json"], &says[..]].concat());
    }
}

#[test]
fn several_end_tokens_come_from_the_generation_config() {
    let copy = copy(&dir("tiny-a").join("policy"));
    fs::write(copy.path().join("generation_config.json"), r#"{"eos_token_id": [1, 3]}"#).unwrap();
    let policy = LmPolicy::open(copy.path(), &Device::flex()).unwrap();
    assert_eq!(saffron_core::Policy::end_tokens(&policy), [1, 3]);
    fs::write(copy.path().join("generation_config.json"), r#"{"eos_token_id": []}"#).unwrap();
    let policy = LmPolicy::open(copy.path(), &Device::flex()).unwrap();
    assert_eq!(saffron_core::Policy::end_tokens(&policy), [1], "an empty list says nothing");
    fs::write(copy.path().join("generation_config.json"), r#"{"eos_token_id": 100}"#).unwrap();
    let error = LmPolicy::open(copy.path(), &Device::flex()).unwrap_err();
    assert_says(&error, &["generation_config.json", "eos_token_id", "100"]);
}

#[test]
fn a_tokenizer_larger_than_the_embedding_is_refused() {
    let error = policy_error("tiny-a", |dir| {
        edit_json(&dir.join("tokenizer.json"), |tokenizer| tokenizer["model"]["vocab"]["Zz"] = json!(100));
    });
    assert_says(&error, &["tokenizer.json", "vocab_size = 100", "ids up to 100"]);
    let error = policy_error("tiny-a", |dir| fs::write(dir.join("tokenizer.json"), "{}").unwrap());
    assert!(matches!(error, LoadError::Tokenizer { .. }), "{error}");
}

/// Some models have a tokenizer with a control token more than embeddings, for pictures that they
/// do not see.
#[test]
fn added_tokens_without_an_embedding_are_left_out_and_told() {
    let copy = copy(&dir("families/gemma3").join("policy"));
    edit_json(&copy.path().join("tokenizer.json"), |tokenizer| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        let like = added[0].clone();
        for (id, text) in (124..131).zip(["<a>", "<b>", "<c>", "<d>", "<e>", "<f>", "<image_soft_token>"]) {
            let mut token = like.clone();
            (token["id"], token["content"]) = (json!(id), json!(text));
            added.push(token);
        }
    });
    let policy = LmPolicy::open(copy.path(), &Device::flex()).unwrap();
    let tokenizer = policy.tokenizer();
    // 124 words of the model, 129 embeddings.
    assert_eq!(tokenizer.known(), 129);
    assert_eq!(tokenizer.token_id("<e>"), Some(128));
    assert_eq!(tokenizer.token_id("<image_soft_token>"), None);
    let said = tokenizer.notices().join(" ");
    assert!(said.contains("2 added tokens without an embedding") && said.contains("\"<f>\""), "{said}");
}

#[test]
fn an_adapter_for_another_shape_is_refused() {
    let base = Mrm::builder(dir("tiny-b").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
    let error = base.with_adapter(dir("tiny-a").join("mrm")).unwrap_err();
    let LoadError::Tensors { mismatch, .. } = &error else { panic!("{error}") };
    assert!(!mismatch.missing.is_empty() && !mismatch.misshapen.is_empty(), "{error}");
    assert_says(&error, &["adapter_model.safetensors", "layers.3.self_attn.v_proj.lora_B"]);
}

#[test]
fn adapters_that_are_not_supported_are_refused_by_name() {
    let cases = [
        ("peft_type", json!("IA3")),
        ("use_dora", json!(true)),
        ("bias", json!("some")),
        ("fan_in_fan_out", json!(true)),
        ("modules_to_save", json!(["lm_head"])),
        ("layer_replication", json!([[0, 1]])),
        ("init_lora_weights", json!("pissa_niter_4")),
        ("init_lora_weights", json!("lora_ga")),
        ("target_modules", json!(["q_proj", "w_pack"])),
        ("rank_pattern", json!({ "(?=model).*": 2 })),
        ("r", json!(0)),
        ("lora_alpha", json!("eight")),
        ("some_new_method", json!({ "on": true })),
    ];
    for (field, value) in cases {
        let error = adapter_error("tiny-a", |dir| {
            edit_json(&dir.join("adapter_config.json"), |config| config[field] = value.clone());
        });
        assert_says(&error, &["adapter_config.json", field]);
    }
}

#[test]
fn ranks_and_alphas_by_pattern_and_rank_stabilised_scales_are_honoured() {
    let config = AdapterConfig {
        use_rslora: true,
        rank_pattern: [(String::from("v_proj"), 16)].into(),
        alpha_pattern: [(String::from("layers.1.self_attn.q_proj"), 6.0)].into(),
        ..AdapterConfig::new(4, 8.0, vec![String::from("q_proj"), String::from("v_proj")])
    };
    let found = |module: &str| config.rank_and_scale(module).unwrap();
    assert_eq!(found("model.layers.0.self_attn.q_proj"), (4, 4.0));
    assert_eq!(found("model.layers.0.self_attn.v_proj"), (16, 2.0));
    assert_eq!(found("model.layers.1.self_attn.q_proj"), (4, 3.0));
    assert_eq!(found("model.layers.11.self_attn.q_proj"), (4, 4.0), "names match at dots only");
    let file = tempfile::NamedTempFile::new().unwrap();
    config.save(file.path()).unwrap();
    assert_eq!(AdapterConfig::from_file(file.path()).unwrap(), config);
}

#[test]
fn rank_stabilised_adapters_change_the_rewards_by_their_scale() {
    let sequences = [crate::fixtures::reference("tiny-a").sequences[0].clone()];
    let rewards = |change: fn(&mut Value)| {
        let copy = copy(&dir("tiny-a").join("mrm"));
        edit_json(&copy.path().join("adapter_config.json"), change);
        let base = Mrm::builder(dir("tiny-a").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
        base.with_adapter(copy.path()).unwrap().raw_rewards(&sequences).unwrap().remove(0)
    };
    // alpha / √4 with alpha 4 is alpha / 4 with alpha 8.
    let stabilised = rewards(|config| {
        config["use_rslora"] = json!(true);
        config["lora_alpha"] = json!(4);
    });
    assert_eq!(stabilised, rewards(|_| {}));
    assert_ne!(stabilised, rewards(|config| config["lora_alpha"] = json!(4)));
}

/// A torch archive around any pickle program.
fn archive(path: &Path, program: &[u8], data: &[u8]) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("data.pkl", program), ("data/0", data), ("version", b"3\n")] {
        zip.start_file(format!("archive/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn a_pickle_of_something_else_is_refused_and_not_run() {
    let programs: [(&[u8], &str); 5] = [
        (b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.", "posix system"),
        (b"\x80\x02}q\0.", "EmptyDict"),
        (b"\x80\x02]q\0.", "opcode 0x5d"),
        (b"\x80\x02", "ends too early"),
        (b"hello", "no pickle"),
    ];
    for (program, found) in programs {
        let error = adapter_error("tiny-a", |dir| archive(&dir.join("lm_head_bias.pt"), program, &[0; 200]));
        assert!(matches!(error, LoadError::Torch { .. }), "{error}");
        assert_says(&error, &["lm_head_bias.pt", found]);
    }
}

/// Programs whose opcodes take many times their bytes where they are kept, and archives whose
/// directories do.
#[test]
fn a_pickle_or_a_directory_without_end_is_refused_by_its_size() {
    let marks = |count: usize| [&b"\x80\x02"[..], &vec![b'('; count]].concat();
    let error = adapter_error("tiny-a", |dir| archive(&dir.join("lm_head_bias.pt"), &marks(7 << 20), &[]));
    assert_says(&error, &["lm_head_bias.pt", "data.pkl of 7340034 bytes", "at most 16384"]);
    let error = adapter_error("tiny-a", |dir| archive(&dir.join("unseen_mask.pt"), &marks(9 << 20), &[]));
    assert!(matches!(error, LoadError::TooLarge { limit: 8_388_608, .. }), "{error}");
    let old = |dir: &Path| {
        fs::remove_file(dir.join("adapter_model.safetensors")).unwrap();
        dir.join("adapter_model.bin")
    };
    let error = adapter_error("tiny-a", |dir| archive(&old(dir), &marks(5 << 20), &[]));
    assert_says(&error, &["adapter_model.bin", "at most 4194304"]);
    let error = adapter_error("tiny-a", |dir| {
        let mut zip = zip::ZipWriter::new(fs::File::create(old(dir)).unwrap());
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for number in 0..60_000 {
            zip.start_file(format!("archive/{number:030}"), options).unwrap();
        }
        zip.finish().unwrap();
    });
    assert_says(&error, &["adapter_model.bin", "no zip archive", "its directory takes more than 4194304 bytes"]);
}

/// A header that is larger than any decoder's: it would take ten times its bytes.
#[test]
fn a_header_of_too_many_tensors_is_refused_by_its_size() {
    let path_of = |dir: &Path| dir.join(WEIGHTS);
    let error = policy_error("tiny-a", |dir| {
        let file = fs::File::create(path_of(dir)).unwrap();
        (&file).write_all(&(20u64 << 20).to_le_bytes()).unwrap();
        file.set_len(8 + (20 << 20)).unwrap();
    });
    assert!(matches!(error, LoadError::TooLarge { found: 20_971_520, limit: 16_777_216, .. }), "{error}");
    let error = policy_error("tiny-a", |dir| {
        fs::write(dir.join("config.json"), format!("{{\"a\": [{}0]}}", "0,".repeat(9 << 20))).unwrap();
    });
    assert!(matches!(error, LoadError::TooLarge { limit: 16_777_216, .. }), "{error}");
}

#[test]
fn every_cut_and_every_flipped_byte_of_a_bias_file_is_survived() {
    let path = dir("tiny-a").join("mrm/lm_head_bias.pt");
    let bytes = fs::read(&path).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for cut in 0..bytes.len() {
        fs::write(file.path(), &bytes[..cut]).unwrap();
        assert!(read_vector(file.path()).is_err(), "cut after {cut}");
    }
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x41;
        fs::write(file.path(), &damaged).unwrap();
        // Either refused, or the damage did not matter: what comes out has the right length, and nothing panics.
        if let Ok(vector) = read_vector(file.path()) {
            assert!(matches!(vector, TorchVector::Floats(values) if values.len() == 100));
        }
    }
}

#[test]
fn vectors_in_torch_archives_survive_a_round_trip() {
    let file = tempfile::Builder::new().suffix(".pt").tempfile().unwrap();
    let floats = TorchVector::Floats(vec![0.5, -2.0, 0.0, 1024.0]);
    write_vector(file.path(), &floats).unwrap();
    assert_eq!(read_vector(file.path()).unwrap(), floats);
    let bools = TorchVector::Bools(vec![true, false, true]);
    write_vector(file.path(), &bools).unwrap();
    assert_eq!(read_vector(file.path()).unwrap(), bools);
}

#[test]
fn both_forms_of_a_reward_head_hold_the_same() {
    for model in MODELS {
        let vocab_size = if model == "tiny-a" { 100 } else { 190 };
        let head = RewardHead::from_dir(&dir(model).join("mrm"), vocab_size).unwrap();
        assert!(head.unseen.count() > 0 && head.unseen.count() < vocab_size);
        let ours = tempfile::tempdir().unwrap();
        head.save_safetensors(ours.path()).unwrap();
        assert_eq!(RewardHead::from_dir(ours.path(), vocab_size).unwrap(), head);
        let torch = tempfile::tempdir().unwrap();
        head.save_torch(torch.path()).unwrap();
        assert_eq!(RewardHead::from_dir(torch.path(), vocab_size).unwrap(), head, "the released bias is bf16 already");
    }
}

#[test]
fn a_head_for_another_vocabulary_is_refused() {
    for file in ["lm_head_bias.pt", "unseen_mask.pt"] {
        let error = adapter_error("tiny-a", |copy| {
            fs::copy(dir("tiny-b").join("mrm").join(file), copy.join(file)).unwrap();
        });
        assert_says(&error, &[file, "100", "190"]);
    }
}

#[test]
fn a_bias_that_is_no_number_is_refused() {
    let error = adapter_error("tiny-a", |dir| {
        let mut bias = vec![0.0; 100];
        bias[17] = f32::NAN;
        write_vector(&dir.join("lm_head_bias.pt"), &TorchVector::Floats(bias)).unwrap();
    });
    assert_says(&error, &["bias[17]", "NaN"]);
}
