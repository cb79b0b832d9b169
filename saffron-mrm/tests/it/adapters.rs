//! Adapters that hold only ordinary pairs of factors, however their configurations say so: they
//! give what the same weights give that are loaded as an ordinary adapter.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use saffron_core::{CandidateFilter, Policy, Session};
use saffron_mrm::checkpoint::safetensors::SafetensorsFile;
use saffron_mrm::checkpoint::{AdapterConfig, AdapterFile, LoraWeights, Projection, Targets};
use saffron_mrm::engine::{Engine, Merge};
use saffron_mrm::{Biases, Choices, DecoderConfig, LmPolicy, LoadError, ModelOptions, Mrm};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fixtures::{assert_says, copy, dir, edit_json, gap, logits, reference};
use crate::torch_archive::{self, Named};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const OLD_WEIGHTS: &str = "adapter_model.bin";
/// As unsloth writes it, shortened.
const UNSLOTH: &str = r"(?:.*?(?:language|text).*?(?:self_attn|mlp).*?(?:q_proj|v_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|attention)\.(?:(?:q_proj|v_proj)))";

fn model() -> DecoderConfig {
    DecoderConfig::from_dir(&dir("tiny-b").join("guard")).unwrap()
}

/// The fixture's adapter, of which some modules are kept.
fn weights(keep: impl Fn(usize, Projection) -> bool) -> LoraWeights {
    let (mut lora, _) = LoraWeights::from_dir(&dir("tiny-b").join("mrm"), &model(), &Device::flex()).unwrap();
    lora.pairs.retain(|(layer, projection), _| keep(*layer, *projection));
    assert!(!lora.pairs.is_empty());
    lora
}

/// These weights in a directory, with some fields of the configuration changed.
fn adapter(lora: &LoraWeights, changes: &Value) -> tempfile::TempDir {
    let folder = copy(&dir("tiny-b").join("mrm"));
    lora.save(folder.path(), &AdapterConfig::new(4, 8.0, vec![String::from("q_proj")])).unwrap();
    fs::copy(dir("tiny-b").join("mrm").join(CONFIG), folder.path().join(CONFIG)).unwrap();
    edit_json(&folder.path().join(CONFIG), |config| {
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    });
    folder
}

fn engine_with(lora: LoraWeights) -> Engine {
    let guard = Engine::open(&dir("tiny-b").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
    guard.with_lora(lora, Merge::IntoWeights).unwrap()
}

fn with(lora: LoraWeights) -> Vec<Vec<f32>> {
    logits(&mut engine_with(lora), &reference("tiny-b").sequences[..2])
}

fn load(dir: &Path) -> Result<LoraWeights, LoadError> {
    AdapterFile::open(dir, &model())?.read(&Device::flex())
}

/// Weights and configuration give what the weights give.
fn assert_loads(keep: impl Fn(usize, Projection) -> bool, changes: &Value) {
    let lora = weights(keep);
    let folder = adapter(&lora, changes);
    let found = load(folder.path()).unwrap_or_else(|error| panic!("{changes}: {error}"));
    assert_eq!(with(found), with(lora), "{changes}");
}

fn error(folder: &tempfile::TempDir) -> LoadError {
    load(folder.path()).unwrap_err()
}

#[test]
fn a_policy_with_an_adapter_proposes_what_the_merged_weights_do() {
    let open = || LmPolicy::open(dir("tiny-b").join("guard"), &Device::flex()).unwrap();
    let session = Session::new(open().vocabulary(), reference("tiny-b").sequences[0].clone()).unwrap();
    let propose = |policy: &mut LmPolicy| {
        policy.propose(std::slice::from_ref(&session), &CandidateFilter::default()).unwrap().value.remove(0)
    };
    let mut adapted = open().with_adapter(dir("tiny-b").join("mrm")).unwrap();
    let found = propose(&mut adapted);
    assert_ne!(found, propose(&mut open()));
    let context = adapted.context(&session).unwrap();
    let logits = &logits(&mut engine_with(weights(|_, _| true)), &[context])[0];
    let expected = CandidateFilter::default().apply(logits, &[], 0).unwrap();
    let pairs = found.ranked.iter().zip(&expected.ranked);
    assert!(pairs.take(5).all(|(one, other)| one.token == other.token && (one.logprob - other.logprob).abs() < 1e-4));
    assert!(open().with_adapter(dir("tiny-a").join("mrm")).is_err(), "of another model");
}

#[test]
fn targets_may_be_regular_expressions() {
    for pattern in [UNSLOTH, r".*\.(q|v)_proj", r"model\.layers\.\d+\.self_attn\.[qv]_proj", "(?i).*[QV]_PROJ"] {
        assert_loads(|_, _| true, &json!({ "target_modules": pattern }));
    }
    assert_loads(|layer, _| layer == 1, &json!({ "target_modules": r".*layers\.1\..*\.[qv]_proj" }));
    // What is not evaluated here leaves it to the tensors.
    assert_loads(|layer, _| layer != 2, &json!({ "target_modules": r".*(?<!2\.self_attn)\.[qv]_proj" }));
}

#[test]
fn targets_may_be_full_names() {
    let names = ["model.layers.0.self_attn.q_proj", "model.layers.2.self_attn.v_proj", "1.self_attn.q_proj"];
    let keep = |layer: usize, projection| match projection {
        Projection::Query => layer < 2,
        _ => layer == 2,
    };
    assert_loads(keep, &json!({ "target_modules": names }));
}

#[test]
fn layers_may_be_chosen_and_modules_excluded() {
    assert_loads(|layer, _| layer != 1, &json!({ "layers_to_transform": [0, 2, 3] }));
    assert_loads(|layer, _| layer == 2, &json!({ "layers_to_transform": 2, "layers_pattern": "layers" }));
    assert_loads(|_, _| true, &json!({ "layers_to_transform": [], "layers_pattern": null }));
    let is_query = |_: usize, projection: Projection| projection == Projection::Query;
    assert_loads(is_query, &json!({ "exclude_modules": ["v_proj"] }));
    assert_loads(is_query, &json!({ "exclude_modules": r".*v_proj", "target_modules": r".*[qv]_proj" }));
    assert_loads(|layer, _| layer != 0, &json!({ "exclude_modules": r"model\.layers\.0\..*" }));
}

#[test]
fn targets_that_are_not_named_are_those_that_peft_takes() {
    assert_loads(|_, _| true, &json!({ "target_modules": null }));
    assert_loads(|_, _| true, &json!({ "target_modules": ["v_proj", "q_proj", "q_proj"] }));
}

#[test]
fn biases_may_be_trained_where_there_are_none() {
    for bias in ["all", "lora_only", "none"] {
        assert_loads(|_, _| true, &json!({ "bias": bias }));
    }
    let folder = adapter(&weights(|_, _| true), &json!({ "bias": "all" }));
    let biased = DecoderConfig {
        choices: Choices { biases: Biases { output: true, ..Biases::default() }, ..model().choices },
        ..model()
    };
    let error = AdapterFile::open(folder.path(), &biased).unwrap_err();
    assert_says(&error, &[CONFIG, "bias", "the base has biases", "all"]);
}

#[test]
fn patterns_give_ranks_and_alphas_in_the_order_of_the_file() {
    let all = weights(|_, _| true);
    let scale = |lora: &LoraWeights, layer| lora.pairs[&(layer, Projection::Query)].scale;
    let scales = |changes: &Value| {
        let lora = load(adapter(&all, changes).path()).unwrap();
        [scale(&lora, 0), scale(&lora, 1)]
    };
    assert_eq!(scales(&json!({})), [2.0, 2.0]);
    assert_eq!(scales(&json!({ "alpha_pattern": { "^model.layers.0.self_attn.q_proj": 16 } })), [4.0, 2.0]);
    assert_eq!(scales(&json!({ "alpha_pattern": { "q_proj": 16, "^layers.1.self_attn.q_proj": 4 } })), [4.0, 4.0]);
    assert_eq!(scales(&json!({ "rank_pattern": { "^model.*": 4 }, "r": 7 })), [2.0, 2.0]);
    // The first that matches counts, which a sorted object would not tell.
    let folder = adapter(&all, &json!({}));
    let text = fs::read_to_string(folder.path().join(CONFIG)).unwrap();
    for (patterns, expected) in [
        (r#"{"q_proj": 16, "layers.1.self_attn.q_proj": 4}"#, [4.0, 4.0]),
        (r#"{"layers.1.self_attn.q_proj": 4, "q_proj": 16}"#, [4.0, 1.0]),
    ] {
        let text = text.replacen('{', &format!("{{\"alpha_pattern\": {patterns},"), 1);
        fs::write(folder.path().join(CONFIG), text).unwrap();
        let lora = load(folder.path()).unwrap();
        assert_eq!([scale(&lora, 0), scale(&lora, 1)], expected, "{patterns}");
        let config = AdapterConfig::from_file(&folder.path().join(CONFIG)).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        config.save(file.path()).unwrap();
        assert_eq!(AdapterConfig::from_file(file.path()).unwrap(), config, "written in its order");
    }
    // A rank that the tensors do not have.
    assert!(matches!(
        error(&adapter(&all, &json!({ "rank_pattern": { "^model.*q_proj": 2 } }))),
        LoadError::Tensors { .. }
    ));
}

#[test]
fn configurations_survive_being_written() {
    let config = AdapterConfig {
        target_modules: Targets::Pattern(UNSLOTH.to_owned()),
        exclude_modules: Targets::Names(vec![String::from("v_proj")]),
        rank_pattern: vec![(String::from("z.*"), 2), (String::from("^a"), 3)],
        alpha_pattern: vec![(String::from("z.*"), 0.5)],
        bias: String::from("all"),
        ..AdapterConfig::new(4, 8.0, Vec::new())
    };
    let layers = AdapterConfig {
        layers_to_transform: Some(vec![1, 2]),
        layers_pattern: vec![String::from("layers")],
        ..AdapterConfig::new(4, 8.0, vec![String::from("q_proj")])
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    for config in [config, layers] {
        config.save(file.path()).unwrap();
        assert_eq!(AdapterConfig::from_file(file.path()).unwrap(), config);
    }
}

/// The tensors of an adapter's file.
fn tensors(path: &Path) -> Vec<Named> {
    let mut file = SafetensorsFile::open(path).unwrap();
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let read = |name: String| {
        let shape = file.shape(&name).unwrap().to_vec();
        let values = file.read_f32(&name).unwrap();
        (name, shape, values)
    };
    names.into_iter().map(read).collect()
}

/// The fixture's adapter in the older form, its tensors changed.
fn old_form(change: impl FnOnce(&mut Vec<Named>)) -> tempfile::TempDir {
    let folder = copy(&dir("tiny-b").join("mrm"));
    let mut tensors = tensors(&folder.path().join(WEIGHTS));
    change(&mut tensors);
    fs::remove_file(folder.path().join(WEIGHTS)).unwrap();
    torch_archive::save(&folder.path().join(OLD_WEIGHTS), &tensors);
    folder
}

#[test]
fn the_older_form_of_weights_is_read_without_running_it() {
    let folder = old_form(|_| {});
    assert_eq!(with(load(folder.path()).unwrap()), with(weights(|_, _| true)));
    // Today's form goes before it.
    fs::copy(dir("tiny-b").join("mrm").join(WEIGHTS), folder.path().join(WEIGHTS)).unwrap();
    fs::write(folder.path().join(OLD_WEIGHTS), "no archive").unwrap();
    load(folder.path()).unwrap();
    fs::remove_file(folder.path().join(WEIGHTS)).unwrap();
    assert_says(&error(&folder), &[OLD_WEIGHTS, "no zip archive"]);
    fs::remove_file(folder.path().join(OLD_WEIGHTS)).unwrap();
    assert_says(&error(&folder), &[WEIGHTS, OLD_WEIGHTS]);
}

#[test]
fn an_older_form_that_does_not_fit_is_refused_by_tensor() {
    let LoadError::Tensors { mismatch, .. } = error(&old_form(|tensors| drop(tensors.pop()))) else { panic!() };
    assert_eq!(mismatch.missing.len(), 1);
    let turned = old_form(|tensors| tensors[0].1.reverse());
    let LoadError::Tensors { mismatch, .. } = error(&turned) else { panic!() };
    assert_eq!((mismatch.misshapen.len(), mismatch.missing.len()), (1, 0));
    let one = error(&old_form(|tensors| tensors.truncate(1)));
    assert!(matches!(&one, LoadError::Tensors { mismatch, .. } if mismatch.missing.len() == 15), "{one}");
    let none = error(&old_form(Vec::clear));
    assert!(matches!(&none, LoadError::Tensors { mismatch, .. } if mismatch.missing.len() == 16), "{none}");
}

#[test]
fn an_older_form_of_something_else_is_refused() {
    let folder = old_form(|_| {});
    let path = folder.path().join(OLD_WEIGHTS);
    let refused = |program: &[u8], storages: &[Vec<u8>], says: &str| {
        torch_archive::archive(&path, program, storages);
        let error = error(&folder);
        assert!(matches!(error, LoadError::Torch { .. }), "{error}");
        assert_says(&error, &[OLD_WEIGHTS, says]);
    };
    let item = |storage: &str, shape: &[usize], strides: &[usize]| {
        let mut pickle = torch_archive::Pickle::default();
        pickle.op(&[0x80, 2, b'}']);
        pickle.text("a");
        pickle.tensor(storage, "0", shape, strides);
        pickle.op(b"s.");
        pickle.bytes
    };
    refused(&item("torch DoubleStorage", &[2], &[1]), &[], "torch DoubleStorage");
    refused(&item("torch FloatStorage", &[2, 3], &[1, 2]), &[], "strides [1, 2]");
    refused(b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.", &[], "posix system");
    refused(b"\x80\x02}q\0(X\x01\0\0\0aK\x01u.", &[], "Int(1)");
    refused(b"\x80\x02}q\0h\x07.", &[], "recalls 7");
    refused(b"\x80\x02}q\0.more", &[], "something after its end");
    let twice: Vec<Named> = vec![(String::from("a"), vec![1], vec![0.0]); 2];
    refused(&torch_archive::dictionary(&twice), &[vec![0; 4], vec![0; 4]], "a name that comes twice");
}

#[test]
fn a_storage_of_another_length_is_refused() {
    let folder = copy(&dir("tiny-b").join("mrm"));
    let tensors = tensors(&folder.path().join(WEIGHTS));
    fs::remove_file(folder.path().join(WEIGHTS)).unwrap();
    let path = folder.path().join(OLD_WEIGHTS);
    for length in [0, 4 * 256 - 1, 4 * 256 + 4] {
        torch_archive::archive(&path, &torch_archive::dictionary(&tensors), &vec![vec![0; length]; tensors.len()]);
        let error = load(folder.path()).unwrap_err();
        assert!(matches!(error, LoadError::Torch { .. }), "{length}: {error}");
    }
}

/// Every tensor under another name.
fn renamed(name: impl Fn(&str) -> String) -> LoadError {
    error(&old_form(|tensors| tensors.iter_mut().for_each(|tensor| tensor.0 = name(&tensor.0))))
}

#[test]
fn an_adapter_under_another_prefix_is_named_with_a_hint() {
    let prefix = "base_model.model.model.";
    let cases = [
        ("base_model.model.", "base_model.model.layers.…", "trained on a bare model (AutoModel, LlamaModel)"),
        ("model.", "named model.layers.…", "saved without PEFT's prefix"),
        ("base_model.model.model.language_model.", "language_model.layers.…", "a multimodal model"),
        ("base_model.model._orig_mod.model.", "_orig_mod.model.layers.…", "torch.compile"),
        ("lora_unet_", "lora_unet_layers.…", "another tool"),
    ];
    for (other, found, hint) in cases {
        let error = renamed(|name| name.replace(prefix, other));
        assert!(matches!(error, LoadError::AdapterPrefix { .. }), "{error}");
        assert_says(&error, &[OLD_WEIGHTS, found, "expected base_model.model.model.layers.", hint]);
    }
    let foreign = renamed(|name| format!("unet.{}", name.replace("layers.", "blocks_")));
    assert_says(&foreign, &["another kind of model"]);
}

#[test]
fn names_with_an_adapters_name_are_read_and_never_twice() {
    let old = |name: &str| name.replace(".weight", ".default.weight");
    let folder = old_form(|tensors| tensors.iter_mut().for_each(|tensor| tensor.0 = old(&tensor.0)));
    assert_eq!(with(load(folder.path()).unwrap()), with(weights(|_, _| true)));
    let twice = error(&old_form(|tensors| {
        let (name, shape, values) = tensors[0].clone();
        tensors.push((old(&name), shape, values));
    }));
    assert!(matches!(&twice, LoadError::Tensors { mismatch, .. } if mismatch.unexpected.len() == 1), "{twice}");
}

#[test]
fn what_contradicts_the_tensors_is_refused() {
    let all = weights(|_, _| true);
    let tensors = |keep: fn(usize, Projection) -> bool, changes: Value| {
        let error = error(&adapter(&weights(keep), &changes));
        let LoadError::Tensors { mismatch, .. } = error else { panic!("{changes}: {error}") };
        (mismatch.missing.len(), mismatch.unexpected.len())
    };
    assert_eq!(tensors(|_, _| true, json!({ "target_modules": "all-linear" })), (2 * 5 * 4, 0));
    assert_eq!(tensors(|_, _| true, json!({ "layers_to_transform": [0] })), (0, 12));
    assert_eq!(tensors(|_, _| true, json!({ "exclude_modules": ["v_proj"] })), (0, 8));
    assert_eq!(tensors(|layer, _| layer > 0, json!({ "target_modules": UNSLOTH })), (4, 0));
    assert_eq!(tensors(|_, _| true, json!({ "target_modules": r".*\.q_proj" })), (0, 8));
    let refused = [
        (json!({ "target_modules": ["q_proj", "embed_tokens"] }), ["target_modules", "embed_tokens"]),
        (json!({ "target_modules": ["model.layers.4.self_attn.q_proj"] }), ["target_modules", "layers.4"]),
        (json!({ "target_modules": [] }), ["target_modules", "[]"]),
        (json!({ "target_modules": [1] }), ["target_modules", "[1]"]),
        (json!({ "target_modules": "((a{99}){99}){99}" }), ["target_modules", "too much"]),
        (json!({ "layers_to_transform": [0], "target_modules": ".*" }), ["layers_to_transform", "regular expression"]),
        (json!({ "layers_to_transform": [-1] }), ["layers_to_transform", "[-1]"]),
        (json!({ "layers_to_transform": [0], "layers_pattern": "l.*" }), ["layers_pattern", "l.*"]),
        (json!({ "alpha_pattern": { "(?=q)": 1 } }), ["alpha_pattern", "look-around"]),
        (json!({ "rank_pattern": [1] }), ["rank_pattern", "an object"]),
        (json!({ "rank_pattern": { "q_proj": 0 } }), ["rank_pattern.q_proj", "1 to 65536"]),
        (json!({ "use_rslora": "yes" }), ["use_rslora", "true or false"]),
        (json!({ "bias": "some" }), ["bias", "some"]),
        (json!({ "exclude_modules": 3 }), ["exclude_modules", "3"]),
    ];
    for (changes, says) in refused {
        let error = error(&adapter(&all, &changes));
        assert!(matches!(error, LoadError::Field { .. }), "{changes}: {error}");
        assert_says(&error, &[&[CONFIG][..], &says].concat());
    }
}

/// Rewards of a base with an adapter.
#[derive(Deserialize)]
struct Expected {
    sequences: Vec<Vec<u32>>,
    rewards: Vec<Vec<f32>>,
}

/// Rewards that peft gives for adapters of this kind.
#[test]
#[ignore = "needs SAFFRON_CASES, a folder with `models/adapters-refused-though-plain`: SAFFRON_CASES=… cargo test -p saffron-mrm -- --ignored numbers_of_peft"]
fn numbers_of_peft() {
    let cases = PathBuf::from(std::env::var_os("SAFFRON_CASES").unwrap()).join("models/adapters-refused-though-plain");
    let mut seen = 0;
    for entry in fs::read_dir(&cases).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join(CONFIG).is_file() {
            continue;
        }
        let base = Mrm::builder(cases.join("base"), &Device::flex(), ModelOptions::default()).unwrap();
        let mut mrm = base.neutral_where_absent().with_adapter(&folder).unwrap();
        let expected: Expected = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
        for (found, expected) in mrm.raw_rewards(&expected.sequences).unwrap().iter().zip(&expected.rewards) {
            assert!(gap(found, expected) < 1e-4, "{}", folder.display());
        }
        seen += 1;
    }
    assert!(seen >= 6, "{seen} adapters");
}
