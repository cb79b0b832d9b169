//! What models take in memory: estimates from headers beside what is loaded, and refusals.

use std::cell::Cell;
use std::error::Error;
use std::path::Path;

use burn::tensor::{DType, Device};
use saffron_core::ModelName;
use saffron_mrm::checkpoint::{AdapterFile, Checkpoint, LoraWeights};
use saffron_mrm::engine::{Engine, Merge};
use saffron_mrm::memory::{MemoryEstimate, MemoryPlan};
use saffron_mrm::nn::Decoder;
use saffron_mrm::{
    BaseFiles, GuardRewardModel, GuardTemplate, LmPolicy, LoadError, LocalError, LocalModels, ModelOptions, Mrm,
};

use crate::families::{families, within};
use crate::fixtures::{MODELS, copy, dir};

/// Bytes of all weights that a decoder holds.
fn held(decoder: &Decoder) -> u64 {
    let bytes = Cell::new(0);
    let _ = decoder.map_weights(|tensor| {
        bytes.set(bytes.get() + (tensor.shape().num_elements() * tensor.dtype().size()) as u64);
        tensor
    });
    bytes.get()
}

fn options(dtype: DType) -> ModelOptions {
    ModelOptions { dtype, cache_bytes: 1 << 20, ..ModelOptions::default() }
}

fn compare(path: &Path, dtype: DType) {
    let (checkpoint, options) = (Checkpoint::open(path).unwrap(), options(dtype));
    let estimate = checkpoint.memory(&options).unwrap();
    let engine = Engine::open(path, &Device::flex(), options).unwrap();
    assert_eq!(estimate.weights, held(engine.decoder()), "{}", path.display());
    let per_token = engine.pools().shape().bytes_per_token();
    assert_eq!((estimate.kv_per_token, estimate.cache), (per_token, 1 << 20), "{}", path.display());
    assert!(engine.pools().limit() as u64 * per_token <= estimate.cache);
    assert!(estimate.working >= 64 << 20);
    assert_eq!(estimate.total(), estimate.weights + estimate.cache + estimate.working);
}

#[test]
fn the_estimate_of_weights_is_what_every_family_holds() {
    for name in families() {
        for dtype in [DType::F32, DType::BF16] {
            for model in ["policy", "guard"] {
                compare(&dir(&within(&name)).join(model), dtype);
            }
        }
    }
    MODELS.iter().for_each(|model| compare(&dir(model).join("guard"), DType::F32));
}

#[cfg(feature = "gguf")]
#[test]
fn the_estimate_of_weights_is_what_a_gguf_comes_to() {
    use candle_core::quantized::GgmlDType;
    for kind in [GgmlDType::F32, GgmlDType::BF16, GgmlDType::Q8_0, GgmlDType::Q4_0] {
        for model in MODELS {
            let (_folder, path) = crate::gguf::Parts::of(model, kind).file();
            compare(&path, DType::F32);
        }
    }
}

/// A copy of a checkpoint whose header is sound and whose weights are of a type that is not read.
fn unreadable(from: &Path) -> tempfile::TempDir {
    let folder = copy(from);
    let path = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..end].to_vec()).unwrap().replace("\"F32\"", "\"I32\"");
    bytes.splice(8..end, header.into_bytes());
    std::fs::write(path, bytes).unwrap();
    folder
}

fn within_limit(bytes: u64) -> ModelOptions {
    ModelOptions { memory_limit: Some(bytes), ..options(DType::F32) }
}

#[test]
fn what_is_beyond_the_limit_is_refused_before_weights_are_read() {
    let (folder, device) = (unreadable(&dir("tiny-b").join("guard")), Device::flex());
    let needed = BaseFiles::open(folder.path()).unwrap().memory(&options(DType::F32)).unwrap();
    let limit = needed.total() - 1;
    let template = |tokenizer: &_| GuardTemplate::in_words(tokenizer, ["", "", ""], ["a", "b"]);
    let ways: [&dyn Fn(ModelOptions) -> LoadError; 4] = [
        &|options| LmPolicy::open_with(folder.path(), &device, options).unwrap_err(),
        &|options| GuardRewardModel::open_with(folder.path(), &device, options, template).unwrap_err(),
        &|options| Mrm::builder(folder.path(), &device, options).unwrap().untrained().unwrap_err(),
        &|options| Engine::open(folder.path(), &device, options).unwrap_err(),
    ];
    for way in ways {
        let error = way(within_limit(limit));
        let LoadError::Memory { path, source } = &error else { panic!("{error}") };
        assert_eq!((&**path, source.limit, source.needed), (folder.path(), limit, needed));
        assert!(error.to_string().ends_with("the model does not fit into memory"), "{error}");
        let cause = error.source().unwrap().to_string();
        assert!(cause.starts_with("expected at most ") && cause.contains("MB of memory, found "), "{cause}");
        // With a byte more the weights are read, which here cannot be.
        let error = way(within_limit(limit + 1)).to_string();
        assert!(error.contains("expected dtype F32, F16 or BF16, found I32"), "{error}");
    }
}

#[test]
fn models_of_one_checkpoint_count_once() {
    let name = |model: &str| ModelName::from_path(dir(model).join("policy")).unwrap();
    let need = |model: &str| BaseFiles::open(dir(model).join("policy")).unwrap().memory(&options(DType::F32)).unwrap();
    let (one, other) = (need("tiny-a"), need("tiny-b"));
    let limit = one.weights + other.total();
    let mut models = LocalModels::new(Device::flex(), within_limit(limit));
    for model in ["tiny-a", "tiny-a", "tiny-b", "tiny-a"] {
        models.base(&name(model)).unwrap();
    }
    let mut models = LocalModels::new(Device::flex(), within_limit(limit - 1));
    models.base(&name("tiny-a")).unwrap();
    let error = models.base(&name("tiny-b")).unwrap_err();
    let LocalError::Load(LoadError::Memory { source, .. }) = &error else { panic!("{error}") };
    assert_eq!(source.needed.weights, one.weights + other.weights);
}

#[test]
fn a_plan_shares_weights_and_adds_caches() {
    let estimate = |weights, working| MemoryEstimate { weights, kv_per_token: 3, cache: 10, working };
    let mut plan = MemoryPlan::default();
    let place = dir("tiny-a").join("policy");
    plan.add(&place, estimate(100, 7));
    plan.add(place.join("../policy"), estimate(100, 7));
    plan.add(dir("tiny-b").join("policy"), estimate(1000, 9));
    plan.add_adapter(20);
    plan.add_cache(5);
    let all = plan.estimate();
    assert_eq!(all, MemoryEstimate { weights: 1120, kv_per_token: 9, cache: 35, working: 9 });
    assert!(all.check(1164).is_ok() && all.check(1163).is_err());
}

#[test]
fn an_adapter_counts_the_matrices_that_it_changes_or_its_factors() {
    for model in MODELS {
        let (base, adapter) = (dir(model).join("guard"), dir(model).join("mrm"));
        let decoder = Decoder::from_dir(&base, DType::F32, &Device::flex()).unwrap();
        let file = AdapterFile::open(&adapter, decoder.config()).unwrap();
        let (lora, _) = LoraWeights::from_dir(&adapter, decoder.config(), &Device::flex()).unwrap();
        let merged = decoder.clone().merged(&lora);
        let bytes = |tensor: &burn::tensor::Tensor<2>| tensor.shape().num_elements() as u64 * 4;
        let changed = decoder.matrices().zip(merged.matrices()).filter(|(old, new)| old.to_data() != new.to_data());
        let changed: u64 = changed.map(|(old, _)| bytes(old)).sum();
        assert_eq!(file.memory(decoder.config(), DType::F32, Merge::IntoWeights), changed, "{model}");
        let factors: u64 = lora.pairs.values().map(|pair| bytes(&pair.a) + bytes(&pair.b)).sum();
        assert_eq!(file.memory(decoder.config(), DType::F32, Merge::Beside), factors, "{model}");
    }
}
