//! Files that are there by name and are not what they should be, and what is refused before weights
//! are read.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use saffron_mrm::{GuardRewardModel, GuardTemplate, LmPolicy, LoadError, ModelOptions, Mrm, TensorMismatch};

use crate::fixtures::{assert_says, copy, dir, edit_json};

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
    for file in
        ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"]
    {
        let error = policy_error(|dir| fs::write(dir.join(file), POINTER).unwrap());
        assert!(matches!(&error, LoadError::LfsPointer { path } if path.ends_with(file)), "{error}");
        assert_says(&error, &["a Git LFS pointer, not the file"]);
    }
    for file in ["adapter_config.json", "adapter_model.safetensors", "lm_head_bias.pt", "unseen_mask.pt"] {
        let copy = copy(&dir("tiny-a").join("mrm"));
        fs::write(copy.path().join(file), POINTER).unwrap();
        let base = Mrm::open(dir("tiny-a").join("guard"), &Device::flex()).unwrap();
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

#[test]
#[cfg(unix)]
fn what_is_no_file_is_refused_and_not_waited_for() {
    for file in
        ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"]
    {
        type Way = (fn(&Path), &'static str);
        let ways: [Way; 3] = [
            (fifo, "a device, pipe or socket"),
            (|path| fs::create_dir(path).unwrap(), "a directory"),
            (|path| std::os::unix::fs::symlink("/dev/null", path).unwrap(), "a device, pipe or socket"),
        ];
        for (make, expected) in ways {
            let error = policy_error(|dir| {
                fs::remove_file(dir.join(file)).unwrap();
                make(&dir.join(file));
            });
            let LoadError::NotAFile { path, found } = &error else { panic!("{error}") };
            assert!(path.ends_with(file) && *found == expected, "{error}");
        }
        let error = policy_error(|dir| {
            fs::remove_file(dir.join(file)).unwrap();
            std::os::unix::fs::symlink("nowhere", dir.join(file)).unwrap();
        });
        assert!(matches!(&error, LoadError::Io { path, .. } if path.ends_with(file)), "{error}");
    }
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
        Mrm::open(base.path(), &Device::flex()).unwrap().with_adapter(copy.path()).unwrap_err()
    };
    let dora = error(|dir| edit_json(&dir.join("adapter_config.json"), |config| config["use_dora"] = true.into()));
    assert_says(&dora, &["adapter_config.json", "use_dora"]);
    assert_says(&error(|dir| fs::remove_file(dir.join("adapter_model.safetensors")).unwrap()), &["adapter_model"]);
    assert_says(&error(|dir| fs::remove_file(dir.join("unseen_mask.pt")).unwrap()), &["unseen_mask.pt"]);
    // With nothing amiss before them, the weights are read.
    assert_says(&error(|_| {}), &["model.safetensors"]);
}
