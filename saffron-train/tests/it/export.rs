//! What is written is what was trained, in both layouts.

use burn::tensor::Device;
use saffron_mrm::checkpoint::{AdapterConfig, LoraWeights};
use saffron_mrm::{RewardHead, RewardHeadFiles};
use saffron_train::{Network, Sample, TrainError, Trainer, unseen_tokens};

use crate::{base, bits, numbers, samples, trainer};

/// A few steps from a fixture, with some tokens marked unseen.
fn trained() -> Network {
    let mut trainer = trainer("tiny-b", 1e-2);
    for _ in 0..3 {
        trainer.step(&samples()).unwrap();
    }
    let unseen = unseen_tokens(&samples(), 190).unwrap();
    trainer.network().clone().with_unseen(unseen).unwrap()
}

#[test]
fn a_saved_network_opens_with_the_same_bits() {
    let (network, out) = (trained(), tempfile::tempdir().unwrap());
    network.save(out.path()).unwrap();
    let opened = Network::open(&base("tiny-b"), out.path()).unwrap();
    assert_eq!(bits(&opened), bits(&network));
    assert_eq!((opened.head(), opened.config()), (network.head(), network.config()));
    let same = |network: Network| Trainer::new(network, saffron_train::PartialSupervision, crate::settings(1e-3));
    let losses = [opened, network].map(|network| same(network).unwrap().loss(&samples()).unwrap().to_bits());
    assert_eq!(losses[0], losses[1]);
}

/// To the nearest, ties to even, as bf16 keeps the upper half of a float32.
fn rounded(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

#[test]
fn the_references_layout_has_a_bias_in_bf16_and_all_else_as_it_was() {
    let (network, out) = (trained(), tempfile::tempdir().unwrap());
    network.save_reference(out.path()).unwrap();
    assert!(!out.path().join("reward_head.safetensors").exists());
    let head = RewardHead::from_dir(out.path(), 190).unwrap();
    let expected: Vec<f32> = network.head().bias.into_iter().map(rounded).collect();
    assert_eq!(head.bias, expected);
    assert_ne!(head.bias, network.head().bias);
    assert_eq!(head.unseen, network.head().unseen);
    let (lora, config) = LoraWeights::from_dir(out.path(), network.model(), &Device::flex()).unwrap();
    assert_eq!(Some(&config), network.config());
    let flat = |lora: &LoraWeights| -> Vec<f32> {
        lora.pairs.values().flat_map(|pair| [numbers(&pair.a), numbers(&pair.b)].concat()).collect()
    };
    assert_eq!(flat(&lora), flat(&network.lora()));
}

#[test]
fn only_tokens_with_a_reward_are_seen() {
    let samples = [samples(), vec![Sample::after(&[7, 8], &[9, 40], &[0.0, 1.0]).unwrap()]].concat();
    let unseen = unseen_tokens(&samples, 190).unwrap();
    let seen: Vec<u32> = (0..190).filter(|token| !unseen.iter().any(|unseen| unseen == *token)).collect();
    assert_eq!(seen, [9, 12, 13, 33, 40, 41, 60], "neither 0, 7 nor 8: they are context");
    let error = unseen_tokens(&samples, 60).unwrap_err();
    assert!(matches!(error, TrainError::Token { sample: 0, token: 60, size: 60 }), "{error}");
    let small = unseen_tokens(&samples, 61).unwrap();
    let error = trained().with_unseen(small).unwrap_err();
    assert!(matches!(error, TrainError::Vocabulary { expected: 190, found: 61 }), "{error}");
}

#[test]
fn a_new_adapter_of_any_modules_is_read_back() {
    let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    for targets in all.iter().map(|target| vec![*target]).chain([all.to_vec()]) {
        let config = AdapterConfig::new(2, 4.0, targets.iter().map(|target| (*target).to_owned()).collect());
        let network = Network::fresh(&base("tiny-a"), config, 1).unwrap();
        let layers = network.model().num_hidden_layers;
        assert_eq!(network.lora().pairs.len(), layers * targets.len(), "{targets:?}");
        let out = tempfile::tempdir().unwrap();
        network.save(out.path()).unwrap();
        assert_eq!(bits(&Network::open(&base("tiny-a"), out.path()).unwrap()), bits(&network), "{targets:?}");
    }
    let fresh = |rank, targets: &[&str]| {
        let config = AdapterConfig::new(rank, 4.0, targets.iter().map(|target| (*target).to_owned()).collect());
        Network::fresh(&base("tiny-a"), config, 1).unwrap_err().to_string()
    };
    assert!(fresh(2, &["query"]).contains("query"));
    assert!(fresh(2, &[]).contains("target_modules"));
    assert!(fresh(0, &["q_proj"]).contains('r'));
}

#[test]
fn a_rank_beyond_the_layer_is_refused() {
    let base = base("tiny-a");
    let fresh = |rank, alpha, target: &str| {
        Network::fresh(&base, AdapterConfig::new(rank, alpha, vec![target.to_owned()]), 1)
            .map_err(|error| error.to_string())
    };
    // The smaller side of each.
    let shapes = ["k_proj", "q_proj", "down_proj"].map(|target| {
        let pairs = fresh(1, 4.0, target).unwrap().lora().pairs;
        let pair = pairs.values().next().unwrap();
        (target, pair.a.dims()[1].min(pair.b.dims()[0]))
    });
    for (target, side) in shapes {
        assert!(fresh(side, 4.0, target).is_ok(), "{target} at {side}");
        for rank in [side + 1, 100_000_000, usize::MAX] {
            let error = fresh(rank, 4.0, target).unwrap_err();
            assert!(
                error.contains(&format!("r: expected at most {side}, the smaller side of model.layers.0.")),
                "{error}"
            );
            assert!(error.ends_with(&format!("{target}, found {rank}")), "{error}");
        }
    }
    for alpha in [f64::NAN, f64::INFINITY] {
        let error = fresh(2, alpha, "q_proj").unwrap_err();
        assert!(error.contains("lora_alpha: expected a finite scale"), "{error}");
    }
}

#[test]
fn a_trainer_that_was_written_goes_on_with_the_same_bits() {
    let mut one = trainer("tiny-b", 1e-2);
    one.step(&samples()).unwrap();
    let out = tempfile::tempdir().unwrap();
    one.save(out.path()).unwrap();
    let mut other = trainer("tiny-b", 1e-2).resumed(out.path()).unwrap();
    assert_eq!(other.steps(), 1);
    for _ in 0..3 {
        assert_eq!(one.step(&samples()).unwrap(), other.step(&samples()).unwrap());
    }
    assert_eq!(bits(one.network()), bits(other.network()));
}
