//! The tiny checkpoints, their reference numbers, and damaged copies of them.

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use saffron_core::Run;
use saffron_kvtrie::Reuse;
use saffron_kvtrie::attention::{Buckets, PlanKind};
use saffron_mrm::checkpoint::LoraWeights;
use saffron_mrm::engine::{Engine, Merge, Outputs, Query};
use saffron_mrm::{LoadError, ModelOptions};
use serde::Deserialize;
use serde_json::Value;

pub(crate) const MODELS: [&str; 2] = ["tiny-a", "tiny-b"];

pub(crate) fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) sequences: Vec<Vec<u32>>,
    pub(crate) logits: Vec<Vec<f32>>,
    pub(crate) rewards: Vec<Vec<f32>>,
}

pub(crate) fn reference(model: &str) -> Reference {
    let text = std::fs::read_to_string(dir(model).join("reference.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn engine(model: &str, options: ModelOptions) -> Engine {
    Engine::open(&dir(model).join("policy"), &Device::flex(), options).unwrap()
}

/// The guard of a model with its MRM adapter; the bias is not part of it.
pub(crate) fn adapted(model: &str, options: ModelOptions, merge: Merge) -> Engine {
    let base = Engine::open(&dir(model).join("guard"), &Device::flex(), options).unwrap();
    let (lora, _) = LoraWeights::from_dir(&dir(model).join("mrm"), base.decoder().config(), &Device::flex()).unwrap();
    base.with_lora(lora, merge).unwrap()
}

/// Last-position logits, all sequences in one call.
pub(crate) fn logits(engine: &mut Engine, sequences: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let run = Run::new();
    let query = |tokens: &Vec<u32>| Query { run: &run, tokens: tokens.clone(), scratch: 0 };
    let queries: Vec<Query<'_>> = sequences.iter().map(query).collect();
    let answers = engine.last_logits(&queries, Outputs::All).unwrap();
    (0..answers.len()).map(|place| answers.logits(place).to_vec()).collect()
}

/// How near numbers of transformers and peft are to be, as a share of the largest of their row.
pub(crate) const TOLERANCE: f32 = 1e-4;

/// All ways to compute the same: with the cache and without it, together and one by one, in chunks,
/// under every plan.
pub(crate) fn ways(cached: ModelOptions, prefill_chunk: usize) -> Vec<ModelOptions> {
    let others = [
        ModelOptions { reuse: Reuse::Nothing, ..cached },
        ModelOptions { max_batch: 1, ..cached },
        ModelOptions { prefill_chunk, ..cached },
    ];
    let plan = |kind, buckets| ModelOptions { attention: Some(kind), buckets: Some(buckets), ..cached };
    let plans = PlanKind::ALL.map(|kind| [plan(kind, Buckets::Exact), plan(kind, Buckets::Powers)]);
    [cached].into_iter().chain(others).chain(plans.into_iter().flatten()).collect()
}

pub(crate) fn assert_rows(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let gap = gap(found, expected);
        assert!(gap < TOLERANCE, "{what}, sequence {row}: {gap}");
    }
}

/// Largest difference, relative to the largest magnitude of the expected row.
pub(crate) fn gap(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let difference = found.iter().zip(expected).fold(0f32, |gap, (a, b)| gap.max((a - b).abs()));
    difference / largest
}

/// A copy of a directory that a test may damage.
pub(crate) fn copy(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// An error's message and those of its causes. No message repeats that of its cause.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let messages: Vec<String> =
        std::iter::successors(Some(error), |error| (*error).source()).map(|error| error.to_string()).collect();
    for pair in messages.windows(2) {
        assert!(!pair[0].contains(&pair[1]), "{:?} repeats {:?}", pair[0], pair[1]);
    }
    messages
}

pub(crate) fn assert_says(error: &LoadError, parts: &[&str]) {
    let text = chain(error).join(": ");
    for part in parts {
        assert!(text.contains(part), "{text:?} says nothing of {part:?}");
    }
}

pub(crate) fn edit_json(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
}
