//! GGUFs in several files.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use saffron_core::Vocabulary;
use saffron_mrm::ModelOptions;
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::engine::Engine;

use crate::fixtures::{MODELS, dir, gap, logits, reference};
use crate::gguf::Parts;

fn place(folder: &Path, number: usize, count: usize) -> PathBuf {
    folder.join(format!("tiny-{number:05}-of-{count:05}.gguf"))
}

/// A model in several files, some of them changed.
fn split(model: &str, count: usize, change: impl FnOnce(&mut Vec<Parts>)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = Parts::of(model, GgmlDType::F32).split(count);
    change(&mut parts);
    parts.iter().enumerate().for_each(|(number, part)| part.write(&place(folder.path(), number + 1, count)));
    folder
}

fn error(path: &Path) -> String {
    Checkpoint::open(path).unwrap_err().to_string()
}

#[test]
fn a_split_file_is_read_whole_whichever_part_is_named() {
    for model in MODELS {
        let (known, directory) = (reference(model), Checkpoint::open(dir(model).join("policy")).unwrap());
        for count in [2, 3] {
            let folder = split(model, count, |_| {});
            for number in 1..=count {
                let path = place(folder.path(), number, count);
                let file = Checkpoint::open(&path).unwrap();
                assert_eq!(file.config().unwrap(), directory.config().unwrap());
                assert_eq!(file.tokenizer().unwrap().id(), directory.tokenizer().unwrap().id());
                assert!(file.chat_template().unwrap().is_some());
                file.verify().unwrap();
                let all: Vec<PathBuf> = (1..=count).map(|number| place(folder.path(), number, count)).collect();
                assert_eq!(file.files().unwrap(), all, "whichever part is named");
                let mut engine = Engine::open(&path, &Device::flex(), ModelOptions::default()).unwrap();
                for (found, expected) in logits(&mut engine, &known.sequences).iter().zip(&known.logits) {
                    assert!(gap(found, expected) <= 1e-4, "{model}, part {number} of {count}");
                }
            }
        }
    }
}

#[test]
fn a_part_without_its_siblings_is_refused_by_the_one_that_is_missing() {
    let folder = split("tiny-a", 3, |_| {});
    fs::remove_file(place(folder.path(), 2, 3)).unwrap();
    for number in [1, 3] {
        let error = error(&place(folder.path(), number, 3));
        assert!(error.contains("tiny-00002-of-00003.gguf") && error.contains("part 2 of 3"), "{error}");
    }
}

#[test]
fn a_part_of_another_name_is_refused_by_the_name_that_it_should_have() {
    let folder = split("tiny-a", 2, |_| {});
    let renamed = folder.path().join("model.gguf");
    fs::rename(place(folder.path(), 2, 2), &renamed).unwrap();
    let error = error(&renamed);
    assert!(error.contains("-00002-of-00002.gguf") && error.contains("found model.gguf"), "{error}");
    // A part that bears another's name.
    fs::rename(&renamed, place(folder.path(), 1, 2)).unwrap();
    let error = self::error(&place(folder.path(), 1, 2));
    assert!(error.contains("-00002-of-00002.gguf"), "{error}");
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let set = |number: usize, key: &'static str, value: Value| {
        move |parts: &mut Vec<Parts>| {
            let part = parts.remove(number).with(key, value);
            parts.insert(number, part);
        }
    };
    let error = |folder: tempfile::TempDir| error(&place(folder.path(), 1, 2));
    let cases = [
        (error(split("tiny-a", 2, set(1, "split.no", Value::U16(0)))), "expected part 2 of 2"),
        (error(split("tiny-a", 2, set(1, "split.count", Value::U16(3)))), "found part 2 of 3"),
        (error(split("tiny-a", 2, set(1, "split.count", Value::U16(1)))), "a file that was not split"),
        (error(split("tiny-a", 2, set(1, "split.tensors.count", Value::I32(7)))), "with 7 tensors in all"),
        (error(split("tiny-a", 2, set(0, "split.no", Value::U16(2)))), "split.no: expected a number below"),
        (error(split("tiny-a", 2, set(0, "split.count", Value::String(String::from("two"))))), "split.count"),
    ];
    for (error, says) in cases {
        assert!(error.contains(says), "{says:?} in {error}");
    }
}

#[test]
fn tensors_of_a_split_file_are_counted() {
    let lacking = split("tiny-a", 2, |parts| {
        let part = parts.pop().unwrap();
        let name = part.first_tensor().to_owned();
        parts.push(part.without(&name));
    });
    let error = error(&place(lacking.path(), 1, 2));
    assert!(error.contains("split.tensors.count: expected 19 in all parts, found 20"), "{error}");
    let folder = split("tiny-a", 2, |_| {});
    fs::copy(place(folder.path(), 1, 2), place(folder.path(), 2, 2)).unwrap();
    let error = self::error(&place(folder.path(), 1, 2));
    assert!(error.contains("expected part 2 of 2"), "{error}");
}

/// A file that says that it is the only one is what it says.
#[test]
fn one_part_of_one_needs_no_name() {
    let (_folder, path) = Parts::of("tiny-a", GgmlDType::F32).with("split.count", Value::U16(1)).file();
    Checkpoint::open(&path).unwrap().verify().unwrap();
}
