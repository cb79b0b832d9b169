//! Partial supervision: its loss by definition, steps, what is refused.

use std::path::Path;

use burn::tensor::Device;
use saffron_mrm::checkpoint::{AdapterConfig, LoraWeights};
use saffron_mrm::{DecoderConfig, ModelOptions, Mrm, RewardHead, RewardHeadFiles};
use saffron_train::{Batch, Init, Sample, TrainError};

use crate::{dir, samples, trainer};

/// The loss by its definition: for every prefix the reward of the token that came next, from the model that inference uses.
fn loss_prefix_by_prefix(mrm: &mut Mrm, samples: &[Sample]) -> f32 {
    let (mut sum, mut count) = (0.0f64, 0);
    for sample in samples {
        for (place, reward) in sample.rewards().iter().enumerate() {
            let row = mrm.raw_rewards(&[sample.tokens()[..=place].to_vec()]).unwrap().remove(0);
            sum += f64::from(row[sample.tokens()[place + 1] as usize] - reward).powi(2);
            count += 1;
        }
    }
    (sum / f64::from(count)) as f32
}

fn mrm(model: &str, adapter: &Path) -> Mrm {
    Mrm::builder(dir(model).join("guard"), &Device::flex(), ModelOptions::default())
        .unwrap()
        .with_adapter(adapter)
        .unwrap()
}

#[test]
fn one_causal_pass_gives_the_loss_of_all_prefixes() {
    for model in ["tiny-a", "tiny-b"] {
        let expected = loss_prefix_by_prefix(&mut mrm(model, &dir(model).join("mrm")), &samples());
        let found = trainer(model, 1e-3).loss(&samples()).unwrap();
        assert!((found - expected).abs() < 1e-4 * expected, "{model}: {found} for {expected}");
    }
}

#[test]
fn a_batch_is_the_mean_over_its_positions_however_it_is_padded() {
    let trainer = trainer("tiny-b", 1e-3);
    let both = samples();
    let alone: Vec<f32> = both.iter().map(|sample| trainer.loss(std::slice::from_ref(sample)).unwrap()).collect();
    let expected = (alone[0] * 4.0 + alone[1] * 2.0) / 6.0;
    assert!((trainer.loss(&both).unwrap() - expected).abs() < 1e-4 * expected);
}

#[test]
fn steps_lower_the_loss_and_what_is_saved_is_what_was_trained() {
    let mut trainer = trainer("tiny-a", 1e-2);
    let first = trainer.step(&samples()).unwrap().loss;
    for _ in 0..30 {
        trainer.step(&samples()).unwrap();
    }
    let last = trainer.loss(&samples()).unwrap();
    assert!(last < 0.2 * first, "{first} to {last}");
    assert_eq!(trainer.steps(), 31);
    let out = tempfile::tempdir().unwrap();
    trainer.network().save(out.path()).unwrap();
    let loaded = loss_prefix_by_prefix(&mut mrm("tiny-a", out.path()), &samples());
    assert!((loaded - last).abs() < 1e-3 * last.max(1e-2), "{loaded} for {last}");
    let (before, after) = (dir("tiny-a").join("mrm"), out.path());
    let head = |dir: &Path| RewardHead::from_dir(dir, 100).unwrap();
    assert_eq!(head(&before).unseen, head(after).unseen, "the mask is kept");
    assert_ne!(head(&before).bias, head(after).bias, "the bias is really trained");
    let targets: std::collections::BTreeSet<u32> =
        samples().iter().flat_map(|sample| sample.tokens()[1..].to_vec()).collect();
    let (old, new) = (head(&before).bias, head(after).bias);
    let untouched = (0..100).filter(|token| !targets.contains(token));
    assert!(untouched.map(|token| token as usize).all(|token| (old[token] - new[token]).abs() < 1e-7));
}

#[test]
fn training_repeats_itself_to_the_bit() {
    let run = || {
        let mut trainer = trainer("tiny-b", 5e-3);
        (0..5).map(|_| trainer.step(&samples()).unwrap().loss.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

/// The gradient of one bias entry against finite differences of the loss.
#[test]
fn the_bias_gradient_is_that_of_finite_differences() {
    // One step of plain size: AdamW's first step moves each parameter by the learning rate against its gradient's sign.
    let rate = 1e-3;
    let mut stepped = trainer("tiny-a", rate);
    let before: Vec<f32> = stepped.network().adapter().bias().into_data().iter::<f32>().collect();
    stepped.step(&samples()).unwrap();
    let after: Vec<f32> = stepped.network().adapter().bias().into_data().iter::<f32>().collect();
    let loss_at = |token: usize, shift: f32| {
        let copy = tempfile::tempdir().unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            std::fs::copy(dir("tiny-a").join("mrm").join(file), copy.path().join(file)).unwrap();
        }
        let mut head = RewardHead::from_dir(&dir("tiny-a").join("mrm"), 100).unwrap();
        head.bias[token] += shift;
        head.save_safetensors(copy.path()).unwrap();
        loss_prefix_by_prefix(&mut mrm("tiny-a", copy.path()), &samples())
    };
    for token in [40usize, 12, 33, 60, 41, 13] {
        let slope = (loss_at(token, 0.05) - loss_at(token, -0.05)) / 0.1;
        let moved = after[token] - before[token];
        assert!(slope.abs() > 1e-2, "the fixture's slope at {token} is no noise: {slope}");
        assert!((moved + slope.signum() * rate as f32).abs() < 1e-5, "token {token}: slope {slope}, moved {moved}");
    }
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let lengths = |tokens: Vec<u32>, rewards: Vec<f32>| Sample::new(tokens, rewards).unwrap_err();
    assert!(matches!(lengths(vec![1], vec![]), TrainError::SampleLength { tokens: 1, context: 1, rewards: 0 }));
    assert!(matches!(
        lengths(vec![1, 2], vec![0.0; 2]),
        TrainError::SampleLength { tokens: 2, context: 1, rewards: 2 }
    ));
    assert!(matches!(lengths(vec![1, 2], vec![f32::NAN]), TrainError::Reward { position: 0, .. }));
    let mut trainer = trainer("tiny-a", 1e-3);
    let foreign = Sample::new(vec![1, 100], vec![0.0]).unwrap();
    assert!(matches!(trainer.step(&[foreign]), Err(TrainError::Token { token: 100, size: 100, .. })));
    let long = Sample::new(vec![1; 3000], vec![0.0; 2999]).unwrap();
    assert!(matches!(trainer.step(&[long]), Err(TrainError::TooLong { length: 3000, limit: 2048, .. })));
    assert!(matches!(trainer.step(&[]), Err(TrainError::EmptyBatch)));
    assert_eq!(trainer.steps(), 0);
}

#[test]
fn a_loss_that_is_no_number_stops_training_and_changes_nothing() {
    let mut trainer = trainer("tiny-a", 1e-3);
    let wild = Sample::new(vec![0, 1], vec![f32::MAX]).unwrap();
    assert!(matches!(trainer.step(&[wild]), Err(TrainError::Diverged { step: 0, .. })));
    let fresh = crate::trainer("tiny-a", 1e-3).loss(&samples()).unwrap();
    assert_eq!(trainer.loss(&samples()).unwrap().to_bits(), fresh.to_bits());
}

#[test]
fn a_neutral_beginning_changes_nothing_and_a_seed_means_the_same_again() {
    let model = DecoderConfig::from_dir(&dir("tiny-b").join("guard")).unwrap();
    let config = AdapterConfig::new(3, 6.0, vec![String::from("q_proj"), String::from("v_proj")]);
    let out = tempfile::tempdir().unwrap();
    Init::neutral(5).adapter(&config, &model, &Device::flex()).unwrap().save(out.path(), &config).unwrap();
    let sequences = [vec![0, 20, 30]];
    let base = Mrm::builder(dir("tiny-b").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
    let plain = base.untrained().unwrap().raw_rewards(&sequences).unwrap();
    // The adapter alone was written: its head is asked for as one that changes nothing.
    let base = Mrm::builder(dir("tiny-b").join("guard"), &Device::flex(), ModelOptions::default()).unwrap();
    let mut adapted = base.neutral_where_absent().with_adapter(out.path()).unwrap();
    assert_eq!(adapted.raw_rewards(&sequences).unwrap(), plain);
    let data = |seed| {
        let lora: LoraWeights = Init::neutral(seed).adapter(&config, &model, &Device::flex()).unwrap();
        lora.pairs.values().map(|pair| pair.a.to_data()).collect::<Vec<_>>()
    };
    assert_eq!(data(5), data(5));
    assert_ne!(data(5), data(6));
    let head = Init { unseen: 0.5, spread_bias: 0.1, ..Init::neutral(5) }.head(190);
    assert!((60..130).contains(&head.unseen.count()));
    assert!(head.bias.iter().all(|value| value.abs() <= 0.1) && head.bias.iter().any(|value| value.abs() > 0.01));
}

#[test]
fn batches_are_laid_out_as_described() {
    let model = DecoderConfig::from_dir(&dir("tiny-a").join("guard")).unwrap();
    let mut samples = samples();
    samples.push(Sample::after(&[0, 7, 8], &[9, 10], &[1.0, 2.0]).unwrap());
    let batch = Batch::new(&samples.iter().collect::<Vec<_>>(), &model).unwrap();
    assert_eq!((batch.inputs.sequences, batch.inputs.length, batch.inputs.real), (3, 4, 10));
    assert_eq!(batch.inputs.tokens, [0, 40, 12, 33, 0, 41, 0, 0, 0, 7, 8, 9]);
    assert_eq!(batch.inputs.positions, [0, 1, 2, 3, 0, 1, 0, 0, 0, 1, 2, 3]);
    assert_eq!(batch.rows, [0, 1, 2, 3, 4, 5, 10, 11]);
    assert_eq!(batch.targets, [40, 12, 33, 60, 41, 13, 9, 10]);
    assert_eq!(batch.rewards, [0.5, -1.0, 2.0, -3.0, 4.0, 1.5, 1.0, 2.0]);
}
