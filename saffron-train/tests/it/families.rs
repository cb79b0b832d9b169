//! Training on every family: transformers' and peft's losses, guards, fresh adapters, whole
//! decoders.

use burn::tensor::{DType, Device};
use saffron_core::{ProcessRewardModel, Session};
use saffron_mrm::checkpoint::AdapterConfig;
use saffron_mrm::{Base, ContextLength, GuardRewardModel, ModelOptions};
use saffron_train::objective::guard::{GuardExample, GuardObjective};
use saffron_train::objective::next_token::{NextToken, Text};
use saffron_train::{AdamWSettings, Network, PartialSupervision, Sample, Trainer};
use serde::Deserialize;

use crate::guard::{labelled, pair, reply, template};
use crate::{bits, dir, settings};

#[derive(Deserialize)]
struct Reference {
    train: Record,
}

#[derive(Deserialize)]
struct Record {
    sequences: Vec<Vec<u32>>,
    rewards: Vec<Vec<f32>>,
    lr: f64,
    betas: [f32; 2],
    eps: f32,
    weight_decay: f32,
    losses: Vec<f32>,
}

fn families() -> Vec<String> {
    let entries = std::fs::read_dir(dir("families")).unwrap().map(|entry| entry.unwrap().path());
    let names = entries.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    assert!(names.len() >= 42, "{names:?}");
    names
}

/// The guard of a fixture, whose contexts may be beyond the original length of its positions.
fn base(name: &str) -> Base {
    let base = Base::open(dir("families").join(name).join("guard"), &Device::flex(), DType::F32).unwrap();
    if name.ends_with("-long") { base.for_contexts(ContextLength::Long) } else { base }
}

fn network(name: &str) -> Network {
    Network::open(&base(name), &dir("families").join(name).join("mrm")).unwrap()
}

#[test]
fn losses_are_those_of_transformers_and_peft() {
    for name in families() {
        let text = std::fs::read_to_string(dir("families").join(&name).join("reference.json")).unwrap();
        let Reference { train } = serde_json::from_str(&text).unwrap();
        let settings = AdamWSettings {
            learning_rate: train.lr,
            betas: train.betas,
            eps: train.eps,
            weight_decay: train.weight_decay,
            ..AdamWSettings::default()
        };
        let samples = train.sequences.iter().zip(&train.rewards);
        let batch: Vec<Sample> =
            samples.map(|(tokens, rewards)| Sample::new(tokens.clone(), rewards.clone()).unwrap()).collect();
        let mut trainer = Trainer::new(network(&name), PartialSupervision, settings).unwrap();
        assert_eq!(train.losses.len(), 20);
        let rewards = || train.rewards.iter().flatten();
        let size = rewards().map(|reward| reward * reward).sum::<f32>() / rewards().count() as f32;
        for (step, expected) in train.losses.iter().enumerate() {
            let found = trainer.step(&batch).unwrap().loss;
            // A loss is a mean of squares: what is wrong in residuals of the rewards' size weighs as
            // the root of both. Never more than a thousandth of the loss, or of 1 if that is more.
            let most = 1e-3 * expected.max(0.5 * (expected * size).sqrt()).min(expected.max(1.0));
            assert!((found - expected).abs() < most, "{name}, step {step}: {found} for {expected}, within {most}");
        }
    }
}

fn examples() -> Vec<GuardExample> {
    let long = reply(&[46; 9], &(100..140).map(|token| token % 100).collect::<Vec<_>>(), &[1, 7, 25, 39, 40]);
    vec![labelled(true), pair(), GuardExample::Labelled { reply: long, safe: false }, labelled(false)]
}

/// Branches of one pass see what lies in their windows, counted by their own positions.
#[test]
fn replies_and_their_cuts_get_the_rewards_that_each_gets_alone() {
    for name in families() {
        let options = ModelOptions { max_context: name.ends_with("-long").then_some(128), ..ModelOptions::default() };
        let asked = GuardRewardModel::on(&base(&name), options, |_| Ok(template())).unwrap();
        let mut guard = asked.with_adapter(dir("families").join(&name).join("mrm")).unwrap();
        let mut expected = Vec::new();
        for reply in examples().iter().flat_map(GuardExample::replies) {
            for cut in reply.cuts() {
                let session = Session::new(guard.vocabulary(), reply.prompt().to_vec()).unwrap();
                let session = session.with_response(reply.reply()[..*cut].to_vec()).unwrap();
                expected.extend(guard.process_rewards(&[session]).unwrap().value);
            }
        }
        let seen = network(&name).outputs(&GuardObjective::new(template()), &examples(), 4).unwrap();
        let found: Vec<f32> = seen.into_iter().flat_map(|(_, outputs)| outputs).collect();
        assert_eq!(found.len(), expected.len());
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-4, "{name}, output {place}: {found} for {expected}");
        }
    }
}

#[test]
fn a_guard_is_trained_from_a_fresh_adapter_on_every_linear_layer() {
    for name in families() {
        let base = base(&name);
        let linear = saffron_mrm::checkpoint::Projection::of_block(base.decoder().config());
        let targets = linear.iter().map(|projection| projection.target().to_owned()).collect();
        let network = Network::fresh(&base, AdapterConfig::new(2, 4.0, targets), 3).unwrap();
        let mut trainer = Trainer::new(network, GuardObjective::new(template()), settings(1e-2)).unwrap();
        let first = trainer.loss(&examples()).unwrap();
        for _ in 0..15 {
            trainer.step(&examples()).unwrap();
        }
        let last = trainer.loss(&examples()).unwrap();
        assert!(last < 0.7 * first, "{name}: {first} to {last}");
        // What is written is what was trained, under the family's names.
        let out = tempfile::tempdir().unwrap();
        trainer.network().save(out.path()).unwrap();
        assert_eq!(bits(&Network::open(&base, out.path()).unwrap()), bits(trainer.network()), "{name}");
    }
}

#[test]
fn a_whole_decoder_is_trained_and_written() {
    for name in families() {
        let base = base(&name);
        let network = Network::full(base.decoder());
        let mut trainer = Trainer::new(network, NextToken, settings(3e-3)).unwrap();
        let long: Vec<u32> = (0..50).map(|at| 10 + at * 7 % 60).collect();
        let texts = [Text::reply(&[0, 20, 21], &[30, 31, 1]).unwrap(), Text::whole(long).unwrap()];
        let first = trainer.loss(&texts).unwrap();
        for _ in 0..10 {
            trainer.step(&texts).unwrap();
        }
        let last = trainer.loss(&texts).unwrap();
        assert!(last < 0.9 * first, "{name}: {first} to {last}");
        let out = tempfile::tempdir().unwrap();
        trainer.network().save(out.path()).unwrap();
        let again = Network::open_full(out.path(), &Device::flex()).unwrap();
        let matrices = |network: &Network| -> Vec<Vec<f32>> {
            network.plain().matrices().map(|matrix| matrix.to_data().try_to_vec().unwrap()).collect()
        };
        assert!(matrices(&again) == matrices(trainer.network()), "{name}");
    }
}

/// A new adapter for the text part of a multimodal model has the names that PEFT gives there.
#[test]
fn a_new_adapter_names_the_modules_of_its_multimodal_base() {
    for name in ["gemma3-multimodal", "gemma3-multimodal-old", "gemma3"] {
        let (base, out) = (base(name), tempfile::tempdir().unwrap());
        let targets = ["q_proj", "down_proj"].map(str::to_owned).to_vec();
        let network = Network::fresh(&base, AdapterConfig::new(2, 4.0, targets), 7).unwrap();
        network.save(out.path()).unwrap();
        let bytes = std::fs::read(out.path().join("adapter_model.safetensors")).unwrap();
        // The header of a safetensors file: its length, then an object by names.
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let names: Vec<&String> = header.as_object().unwrap().keys().filter(|name| *name != "__metadata__").collect();
        let is_multimodal = name != "gemma3";
        let module = if is_multimodal { "model.language_model.layers." } else { "model.layers." };
        assert!(!names.is_empty());
        for found in names {
            assert!(found.starts_with(&format!("base_model.model.{module}")), "{name}: {found}");
        }
        let text = std::fs::read_to_string(out.path().join("adapter_config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = match is_multimodal {
            true => serde_json::json!(r"model\.language_model\.(.*\.)?(q_proj|down_proj)"),
            false => serde_json::json!(["q_proj", "down_proj"]),
        };
        assert_eq!(config["target_modules"], expected, "{name}");
        // It is read again, and written again as it was.
        let again = Network::open(&base, out.path()).unwrap();
        let places = |network: &Network| network.lora().pairs.keys().copied().collect::<Vec<_>>();
        assert_eq!(places(&again), places(&network), "{name}");
        let (twice, file) = (tempfile::tempdir().unwrap(), "adapter_model.safetensors");
        again.save(twice.path()).unwrap();
        assert_eq!(std::fs::read(twice.path().join(file)).unwrap(), bytes, "{name}");
        // A target that the text part does not have.
        let wrong = AdapterConfig::new(2, 4.0, vec![String::from("fc1")]);
        assert!(Network::fresh(&base, wrong, 7).unwrap_err().to_string().contains("fc1"), "{name}");
    }
}
