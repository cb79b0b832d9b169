//! Files that are there by name and are not what they should be, and what is refused before weights
//! are read.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::{GuardRewardModel, GuardTemplate, LmPolicy, LoadError, ModelOptions, Mrm, TensorMismatch};

use crate::fixtures::{assert_says, chain, copy, dir, edit_json};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

fn policy_error(damage: impl FnOnce(&Path)) -> LoadError {
    let copy = copy(&dir("tiny-a").join("policy"));
    damage(copy.path());
    LmPolicy::open(copy.path(), &Device::flex()).expect_err("a damaged checkpoint does not load")
}

fn fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_git_lfs_pointer_is_recognised() {
    for file in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "generation_config.json",
        "chat_template.jinja",
        "model.safetensors",
    ] {
        let error = policy_error(|dir| fs::write(dir.join(file), POINTER).unwrap());
        assert!(matches!(&error, LoadError::LfsPointer { path } if path.ends_with(file)), "{error}");
        assert_says(&error, &["a Git LFS pointer, not the file"]);
    }
    for file in [
        "adapter_config.json",
        "adapter_model.safetensors",
        "adapter_model.bin",
        "lm_head_bias.pt",
        "unseen_mask.pt",
        "reward_head.safetensors",
    ] {
        let copy = copy(&dir("tiny-a").join("mrm"));
        if file == "adapter_model.bin" {
            fs::remove_file(copy.path().join("adapter_model.safetensors")).unwrap();
        }
        fs::write(copy.path().join(file), POINTER).unwrap();
        let base = Mrm::builder(dir("tiny-a").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
        let error = base.with_adapter(copy.path()).unwrap_err();
        assert!(matches!(&error, LoadError::LfsPointer { path } if path.ends_with(file)), "{error}");
    }
}

#[test]
#[cfg(feature = "gguf")]
fn a_git_lfs_pointer_is_recognised_in_place_of_a_gguf() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, POINTER).unwrap();
    let error = LmPolicy::open(&path, &Device::flex()).unwrap_err();
    assert!(matches!(&error, LoadError::LfsPointer { path: found } if *found == path), "{error}");
}

/// Ways to put something in a file's place that cannot be read as one.
#[cfg(unix)]
fn unreadable() -> [fn(&Path); 4] {
    [
        fifo,
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/null", path).unwrap(),
        |path| std::os::unix::fs::symlink("nowhere", path).unwrap(),
    ]
}

/// Puts each of them in a file's place; opening it must fail and name the file.
#[cfg(unix)]
fn assert_never_absent(from: &Path, file: &str, open: impl Fn(&Path) -> Result<(), LoadError>) {
    for make in unreadable() {
        let copy = copy(from);
        let path = copy.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::remove_file(&path).ok();
        make(&path);
        let error = open(copy.path()).expect_err(file);
        let (LoadError::NotAFile { path: found, .. } | LoadError::Io { path: found, .. }) = &error else {
            panic!("{file}: {error:?}")
        };
        assert_eq!(*found, path, "{error:?}");
    }
}

#[cfg(unix)]
fn open_policy(dir: &Path) -> Result<(), LoadError> {
    LmPolicy::open(dir, &Device::flex()).map(drop)
}

#[test]
#[cfg(unix)]
fn what_is_there_and_cannot_be_read_is_never_absent_and_never_waited_for() {
    let policy = dir("tiny-a").join("policy");
    for file in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "generation_config.json",
        "chat_template.jinja",
        "chat_template.json",
        "additional_chat_templates/tool_use.jinja",
        "model.safetensors",
    ] {
        assert_never_absent(&policy, file, open_policy);
    }
    let shards = copy(&policy);
    let (index, shard) = ("model.safetensors.index.json", "model-00001-of-00001.safetensors");
    fs::rename(shards.path().join("model.safetensors"), shards.path().join(shard)).unwrap();
    fs::write(shards.path().join(index), format!(r#"{{"weight_map": {{"model.norm.weight": "{shard}"}}}}"#)).unwrap();
    for file in [index, shard] {
        assert_never_absent(shards.path(), file, open_policy);
    }
    let adapter = |dir: &Path| {
        let base =
            Mrm::builder(crate::fixtures::dir("tiny-a").join("guard"), &Device::flex(), ModelOptions::default())?;
        base.neutral_where_absent().with_adapter(dir).map(drop)
    };
    for file in ["adapter_config.json", "adapter_model.safetensors", "unseen_mask.pt", "lm_head_bias.pt"] {
        assert_never_absent(&dir("tiny-a").join("mrm"), file, adapter);
    }
    let old = copy(&dir("tiny-a").join("mrm"));
    fs::remove_file(old.path().join("adapter_model.safetensors")).unwrap();
    assert_never_absent(old.path(), "adapter_model.bin", adapter);
}

#[test]
#[cfg(unix)]
fn a_folder_of_templates_that_is_none_is_never_absent() {
    let ways: [fn(&Path); 3] =
        [fifo, |path| fs::write(path, "{{ x }}").unwrap(), |path| std::os::unix::fs::symlink("nowhere", path).unwrap()];
    for make in ways {
        let error = policy_error(|dir| make(&dir.join("additional_chat_templates")));
        let named = matches!(&error, LoadError::Io { path, .. } if path.ends_with("additional_chat_templates"));
        assert!(named, "{error:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_path_that_is_neither_file_nor_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let error = LmPolicy::open(&path, &Device::flex()).unwrap_err();
    assert!(matches!(&error, LoadError::Io { path: found, .. } if *found == path), "{error:?}");
    fifo(&path);
    let error = LmPolicy::open(&path, &Device::flex()).unwrap_err();
    assert!(matches!(&error, LoadError::NotAFile { path: found, .. } if *found == path), "{error:?}");
}

#[test]
fn text_in_another_encoding_is_named() {
    let utf16 = |text: &str| {
        let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    for file in
        ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"]
    {
        let error = policy_error(|dir| fs::write(dir.join(file), utf16("{}")).unwrap());
        assert!(matches!(&error, LoadError::Encoding { path, .. } if path.ends_with(file)), "{error}");
        assert_says(&error, &["expected UTF-8, found UTF-16"]);
    }
    let error = policy_error(|dir| fs::write(dir.join("config.json"), "\u{feff}{}").unwrap());
    assert_says(&error, &["found UTF-8 with a byte order mark"]);
    let copy = copy(&dir("tiny-a").join("mrm"));
    fs::write(copy.path().join("adapter_config.json"), utf16("{}")).unwrap();
    let base = Mrm::builder(dir("tiny-a").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
    assert_says(&base.with_adapter(copy.path()).unwrap_err(), &["adapter_config.json", "UTF-16"]);
}

#[test]
fn a_cause_is_said_once() {
    let cases: [(&str, &[u8]); 4] = [
        ("config.json", b"{"),
        ("tokenizer.json", b"{"),
        ("model.safetensors", b"\x02\0\0\0\0\0\0\0[]"),
        ("generation_config.json", b"[]"),
    ];
    for (file, bytes) in cases {
        let error = policy_error(|dir| fs::write(dir.join(file), bytes).unwrap());
        // No message repeats its cause, and the last one tells something.
        let messages = chain(&error);
        assert!(messages.len() > 1 && messages[0].contains(file), "{messages:?}");
    }
    let error = policy_error(|dir| fs::remove_file(dir.join("config.json")).unwrap());
    assert_eq!(chain(&error).len(), 2, "{error:?}");
}

#[test]
fn chat_templates_of_another_kind_are_refused_by_field() {
    for value in ["3", "[3]", r#"[{"name": "default"}]"#, "{}", "true"] {
        let error = policy_error(|dir| {
            edit_json(&dir.join("tokenizer_config.json"), |config| {
                config["chat_template"] = serde_json::from_str(value).unwrap();
            });
        });
        assert!(matches!(&error, LoadError::Field { field, .. } if field == "chat_template"), "{error:?}");
        assert_says(&error, &["tokenizer_config.json", "a text, or a list of objects"]);
    }
}

#[test]
fn weights_that_are_quantised_without_saying_so_are_named() {
    for ending in [".qweight", ".weight.absmax", ".weight_scale_inv"] {
        let error = policy_error(|dir| {
            let path = dir.join("model.safetensors");
            let bytes = fs::read(&path).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let name = |name: &str| name.replace("0.mlp.up_proj.weight", &format!("0.mlp.up_proj{ending}"));
            let renamed: Vec<_> = tensors.iter().map(|(own, tensor)| (name(own), tensor)).collect();
            safetensors::serialize_to_file(renamed, None, &path).unwrap();
        });
        let name = format!("model.layers.0.mlp.up_proj{ending}: a quantised weight is not supported");
        assert_says(&error, &[&name]);
    }
}

#[test]
fn all_files_that_a_directory_is_read_from_are_listed() {
    let copy = copy(&dir("tiny-a").join("policy"));
    fs::write(copy.path().join("README.md"), "not read").unwrap();
    fs::create_dir(copy.path().join("additional_chat_templates")).unwrap();
    fs::write(copy.path().join("additional_chat_templates/rag.jinja"), "{{ x }}").unwrap();
    let files = Checkpoint::open(copy.path()).unwrap().files().unwrap();
    let names: Vec<_> = files.iter().map(|file| file.strip_prefix(copy.path()).unwrap().to_str().unwrap()).collect();
    let expected = [
        "additional_chat_templates/rag.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_list_of_tensors_is_cut_after_ten() {
    let names = |count: usize| (0..count).map(|number| format!("t{number}")).collect::<Vec<_>>();
    let misshapen = names(12).into_iter().map(|name| (name, vec![1], vec![2])).collect();
    let mismatch = TensorMismatch { missing: names(10), unexpected: names(1_000_000), misshapen };
    let text = mismatch.to_string();
    assert!(text.starts_with("10 missing tensors: t0, t1, t2, t3, t4, t5, t6, t7, t8, t9; "), "{text}");
    assert!(
        text.contains("1000000 unexpected tensors: t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 999990 more; "),
        "{text}"
    );
    assert!(text.ends_with("t9: expected shape [1], found [2] and 2 more"), "{text}");
}

/// Weights that would be refused: whoever reads them first says so.
fn without_weights(model: &str, part: &str) -> tempfile::TempDir {
    let copy = copy(&dir(model).join(part));
    fs::write(copy.path().join("model.safetensors"), "none").unwrap();
    copy
}

#[test]
fn a_tokenizer_is_read_before_the_weights() {
    let copy = without_weights("tiny-a", "policy");
    fs::remove_file(copy.path().join("tokenizer.json")).unwrap();
    let error = LmPolicy::open(copy.path(), &Device::flex()).unwrap_err();
    assert_says(&error, &["tokenizer.json"]);
    let copy = without_weights("tiny-a", "policy");
    fs::write(copy.path().join("generation_config.json"), r#"{"eos_token_id": 100}"#).unwrap();
    let error = LmPolicy::open(copy.path(), &Device::flex()).unwrap_err();
    assert_says(&error, &["generation_config.json", "eos_token_id"]);
}

#[test]
fn a_guard_is_asked_for_its_question_before_the_weights_are_read() {
    let copy = without_weights("tiny-a", "guard");
    let (options, question) = (ModelOptions::default(), GuardTemplate::llama_guard_3);
    let error = GuardRewardModel::open_with(copy.path(), &Device::flex(), options, question).unwrap_err();
    assert!(matches!(error, LoadError::Layout { .. }), "{error}");
}

#[test]
fn an_adapter_and_its_head_are_looked_at_before_the_weights_are_read() {
    let base = without_weights("tiny-a", "guard");
    let error = |damage: fn(&Path)| {
        let copy = copy(&dir("tiny-a").join("mrm"));
        damage(copy.path());
        Mrm::builder(base.path(), &Device::flex(), ModelOptions::default())
            .unwrap()
            .with_adapter(copy.path())
            .unwrap_err()
    };
    let dora = error(|dir| edit_json(&dir.join("adapter_config.json"), |config| config["use_dora"] = true.into()));
    assert_says(&dora, &["adapter_config.json", "use_dora"]);
    assert_says(&error(|dir| fs::remove_file(dir.join("adapter_model.safetensors")).unwrap()), &["adapter_model"]);
    assert_says(&error(|dir| fs::remove_file(dir.join("unseen_mask.pt")).unwrap()), &["unseen_mask.pt"]);
    // With nothing amiss before them, the weights are read.
    assert_says(&error(|_| {}), &["model.safetensors"]);
}
