//! What is written is what was trained.

use std::path::Path;

use burn::tensor::{DType, Device};
use saffron_core::Run;
use saffron_mrm::engine::{Outputs, Query};
use saffron_mrm::nn::{CausalAttention, Decoder};
use saffron_mrm::{DecoderConfig, LmPolicy};
use saffron_train::objective::next_token::{NextToken, Text};
use saffron_train::{Init, Network, PartialSupervision, Sample, TrainError, Trainer};

use super::{bits, matrices, texts};
use crate::{apart, dir, numbers, settings};

/// A few steps of a decoder with the vocabulary of a fixture.
fn trained() -> Trainer<NextToken> {
    let config = DecoderConfig { vocab_size: 190, ..super::config(false) };
    let decoder = Init::neutral(2).decoder(&config, &Device::flex()).unwrap();
    let mut trainer = Trainer::new(Network::full(&decoder), NextToken, settings(1e-2)).unwrap();
    for _ in 0..5 {
        trainer.step(&texts()).unwrap();
    }
    trainer
}

/// Opens a directory as a policy, with the tokenizer of a fixture.
fn policy(checkpoint: &Path) -> LmPolicy {
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(dir("tiny-b").join("policy").join(file), checkpoint.join(file)).unwrap();
    }
    LmPolicy::open(checkpoint, &Device::flex()).unwrap()
}

/// The logits after a sequence, from the model that a search uses.
fn last_logits(policy: &mut LmPolicy, tokens: &[u32]) -> Vec<f32> {
    let query = Query { run: &Run::new(), tokens: tokens.to_vec(), scratch: 0 };
    policy.engine().last_logits(&[query], Outputs::All).unwrap().logits(0).to_vec()
}

/// The negative log-likelihood of a text's targets by its definition, in float64, prefix by prefix.
fn nll(policy: &mut LmPolicy, text: &Text) -> f64 {
    let term = |place: usize| {
        let logits = last_logits(policy, &text.tokens()[..place]);
        let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        sum.ln() - f64::from(logits[text.tokens()[place] as usize])
    };
    text.range().map(term).sum()
}

#[test]
fn the_policy_that_is_written_says_what_the_trainer_says() {
    let (trainer, out) = (trained(), tempfile::tempdir().unwrap());
    trainer.network().save_checkpoint(out.path(), DType::F32).unwrap();
    let mut policy = policy(out.path());
    let tokens = [0, 4, 12, 23, 6];
    let decoder = trainer.network().plain();
    let mut attend = CausalAttention::new(decoder.config(), 1, tokens.len(), &Device::flex());
    let logits = decoder.unembed(decoder.forward(&tokens, &[0, 1, 2, 3, 4], &mut attend));
    for place in 0..tokens.len() {
        let expected = numbers(&logits.clone().slice_dim(1, place..place + 1));
        let gap = apart(&last_logits(&mut policy, &tokens[..=place]), &expected);
        assert!(gap < 1e-5, "after {} tokens: {gap}", place + 1);
    }
    let targets: usize = texts().iter().map(|text| text.targets().len()).sum();
    let expected = texts().iter().map(|text| nll(&mut policy, text)).sum::<f64>() / targets as f64;
    let (loss, report) = (trainer.loss(&texts()).unwrap(), trainer.evaluate(&texts(), 2).unwrap());
    assert!((f64::from(loss) - expected).abs() < 1e-5, "{loss} for {expected}");
    assert!((report.nll - expected).abs() < 1e-5 && report.targets == targets, "{report:?} for {expected}");
}

#[test]
fn a_network_that_is_saved_opens_with_the_same_bits() {
    let sample = [Sample::after(&[0, 9], &[13, 7, 29], &[1.0, -2.0, 3.0]).unwrap()];
    let network = Network::full(&super::decoder(true)).with_trained_bias();
    let mut trainer = Trainer::new(network, PartialSupervision, settings(1e-2)).unwrap();
    trainer.step(&sample).unwrap();
    assert!(trainer.network().head().bias.iter().any(|value| *value != 0.0), "a bias is trained if it is asked for");
    for save in [Network::save, Network::save_reference] {
        let out = tempfile::tempdir().unwrap();
        save(trainer.network(), out.path()).unwrap();
        let opened = Network::open_full(out.path(), &Device::flex()).unwrap();
        assert_eq!(matrices(&opened.plain()), matrices(&trainer.network().plain()));
        assert!(opened.config().is_none() && opened.lora().pairs.is_empty());
    }
    let out = tempfile::tempdir().unwrap();
    trainer.network().save(out.path()).unwrap();
    assert_eq!(bits(&Network::open_full(out.path(), &Device::flex()).unwrap()), bits(trainer.network()));
}

#[test]
fn a_checkpoint_may_be_rounded() {
    let (trainer, out) = (trained(), tempfile::tempdir().unwrap());
    trainer.network().save_checkpoint(out.path(), DType::BF16).unwrap();
    let loaded = Decoder::from_dir(out.path(), DType::F32, &Device::flex()).unwrap();
    let expected = trainer.network().plain().map_matrices(|weight| weight.cast(DType::BF16).cast(DType::F32));
    assert_eq!(matrices(&loaded), matrices(&expected));
    assert_ne!(matrices(&loaded), matrices(&trainer.network().plain()));
}

#[test]
fn a_trainer_of_all_weights_goes_on_with_the_same_bits_and_not_with_another_model() {
    let (mut one, out) = (super::trainer(true), tempfile::tempdir().unwrap());
    one.step(&texts()).unwrap();
    one.save(out.path()).unwrap();
    let mut other = super::trainer(true).resumed(out.path()).unwrap();
    for _ in 0..3 {
        assert_eq!(one.step(&texts()).unwrap(), other.step(&texts()).unwrap());
    }
    assert_eq!(bits(one.network()), bits(other.network()));
    let error = super::trainer(false).resumed(out.path()).unwrap_err();
    assert!(matches!(&error, TrainError::Checkpoint { path, .. } if path.ends_with("config.json")), "{error}");
}
