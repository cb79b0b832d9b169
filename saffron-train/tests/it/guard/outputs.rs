//! One pass over a reply and all its cuts gives what the guard of a search would say to each of them.

use saffron_core::{ProcessRewardModel, PromptLayout, Session};
use saffron_mrm::{GuardRewardModel, GuardTemplate, ModelOptions, RewardHead, RewardHeadFiles};
use saffron_train::objective::guard::{GuardExample, GuardObjective, GuardReply};
use saffron_train::{Init, Network, Objective, TrainError, Trainer};

use super::{labelled, objective, pair, reply, template};
use crate::{base, bits, dir, network, settings};

fn trainer(model: &str, template: GuardTemplate) -> Trainer<GuardObjective> {
    Trainer::new(network(model), GuardObjective::new(template), settings(1e-2)).unwrap()
}

/// What the network says to all cuts of all replies, `batch` examples a pass.
fn packed(network: &Network, template: &GuardTemplate, examples: &[GuardExample], batch: usize) -> Vec<f32> {
    let seen = network.outputs(&GuardObjective::new(template.clone()), examples, batch).unwrap();
    seen.into_iter().flat_map(|(_, outputs)| outputs).collect()
}

/// The same, each cut asked on its own of the model that a search uses.
fn one_by_one(guard: &mut GuardRewardModel, examples: &[GuardExample]) -> Vec<f32> {
    let mut rewards = Vec::new();
    for reply in examples.iter().flat_map(GuardExample::replies) {
        for cut in reply.cuts() {
            let session = Session::new(guard.vocabulary(), reply.prompt().to_vec()).unwrap();
            let session = session.with_response(reply.reply()[..*cut].to_vec()).unwrap();
            rewards.extend(guard.process_rewards(&[session]).unwrap().value);
        }
    }
    rewards
}

fn guard(model: &str, template: &GuardTemplate, adapter: &std::path::Path) -> GuardRewardModel {
    let asked = GuardRewardModel::on(&base(model), ModelOptions::default(), |_| Ok(template.clone())).unwrap();
    asked.with_adapter(adapter).unwrap()
}

fn near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-4, "output {place}: {found} for {expected}");
    }
}

fn examples() -> Vec<GuardExample> {
    let long = reply(&[46; 9], &(100..140).map(|token| token % 100).collect::<Vec<_>>(), &[1, 7, 39, 40]);
    vec![labelled(true), pair(), GuardExample::Labelled { reply: long, safe: false }, labelled(false)]
}

#[test]
fn a_reply_and_its_cuts_get_the_rewards_that_each_gets_alone() {
    for model in ["tiny-a", "tiny-b"] {
        let adapter = dir(model).join("mrm");
        let expected = one_by_one(&mut guard(model, &template(), &adapter), &examples());
        assert_eq!(expected.len(), 3 + 4 + 4 + 2);
        assert!(expected.iter().any(|reward| (reward - expected[0]).abs() > 1e-2), "the fixture tells replies apart");
        for batch in [1, 2, 4] {
            near(&packed(&network(model), &template(), &examples(), batch), &expected);
        }
    }
}

#[test]
fn a_question_that_ends_with_the_reply_is_answered_within_it() {
    let layout = PromptLayout { suffix: Vec::new(), ..template().layout.ids().clone() }.into();
    let template = GuardTemplate { layout, ..template() };
    let expected = one_by_one(&mut guard("tiny-b", &template, &dir("tiny-b").join("mrm")), &examples());
    near(&packed(&network("tiny-b"), &template, &examples(), 4), &expected);
    let batch = GuardObjective::new(template).batch(&examples().iter().collect::<Vec<_>>(), network("tiny-b").model());
    let real: usize = examples().iter().map(|example| example.tokens() + 4 * example.replies().len()).sum();
    assert_eq!(batch.unwrap().inputs.real, real, "no row is spent on cuts");
}

#[test]
fn cuts_may_come_in_any_order_and_twice() {
    let cut = |cuts: &[usize]| {
        vec![GuardExample::Labelled { reply: reply(&[40, 41], &[60, 61, 62, 63, 64], cuts), safe: true }]
    };
    let ordered = packed(&network("tiny-a"), &template(), &cut(&[2, 3, 5]), 1);
    let mixed = packed(&network("tiny-a"), &template(), &cut(&[5, 2, 5, 3]), 1);
    near(&mixed, &[ordered[2], ordered[0], ordered[2], ordered[1]]);
}

#[test]
fn losses_are_cross_entropy_and_the_likelihood_of_preferences() {
    let trainer = trainer("tiny-b", template());
    let softplus = |value: f64| value.exp().ln_1p();
    let outputs = |example: GuardExample| -> Vec<f64> {
        packed(trainer.network(), &template(), &[example], 1).into_iter().map(f64::from).collect()
    };
    let safe: Vec<f64> = outputs(labelled(true)).into_iter().map(|reward| softplus(-reward)).collect();
    let not_safe: Vec<f64> = outputs(labelled(false)).into_iter().map(softplus).collect();
    let rewards = outputs(pair());
    let pairs = [softplus(rewards[2] - rewards[0]), softplus(rewards[3] - rewards[1])];
    let mean = |terms: &[f64]| terms.iter().sum::<f64>() / terms.len() as f64;
    let all = [&safe[..], &not_safe, &pairs].concat();
    for (samples, expected) in [
        (vec![labelled(true)], mean(&safe)),
        (vec![labelled(false)], mean(&not_safe)),
        (vec![pair()], mean(&pairs)),
        (vec![labelled(true), labelled(false), pair()], mean(&all)),
    ] {
        let found = f64::from(trainer.loss(&samples).unwrap());
        assert!((found - expected).abs() < 1e-5 * expected, "{found} for {expected}");
        let report = trainer.evaluate(&samples, 2).unwrap();
        assert!((report.loss - expected).abs() < 1e-5 * expected, "reported {} for {expected}", report.loss);
    }
}

#[test]
fn training_lowers_the_loss_and_the_guard_that_is_written_says_what_the_trainer_says() {
    let mut trainer = trainer("tiny-a", template());
    let first = trainer.loss(&examples()).unwrap();
    for _ in 0..25 {
        trainer.step(&examples()).unwrap();
    }
    let last = trainer.loss(&examples()).unwrap();
    assert!(last < 0.5 * first, "{first} to {last}");
    let out = tempfile::tempdir().unwrap();
    trainer.network().save(out.path()).unwrap();
    let found = packed(trainer.network(), &template(), &examples(), 2);
    near(&found, &one_by_one(&mut guard("tiny-a", &template(), out.path()), &examples()));
    let head = |dir: &std::path::Path| RewardHead::from_dir(dir, 100).unwrap().bias;
    let (before, after) = (head(&dir("tiny-a").join("mrm")), head(out.path()));
    let moved = (0..100).filter(|token| before[*token].to_bits() != after[*token].to_bits()).collect::<Vec<_>>();
    assert_eq!(moved, [50, 51], "only the answers have a gradient");
    let without = RewardHead { bias: vec![0.0; 100], ..RewardHead::from_dir(out.path(), 100).unwrap() };
    without.save_safetensors(out.path()).unwrap();
    let offset = after[50] - after[51];
    let plain = one_by_one(&mut guard("tiny-a", &template(), out.path()), &examples());
    assert!(offset.abs() > 1e-2);
    near(&plain, &found.iter().map(|reward| reward - offset).collect::<Vec<_>>());
}

#[test]
fn a_frozen_bias_stays_and_the_factors_are_trained() {
    let network = network("tiny-a").with_frozen_bias();
    let before = bits(&network);
    let mut trainer = Trainer::new(network, objective(), settings(1e-2)).unwrap();
    for _ in 0..3 {
        trainer.step(&examples()).unwrap();
    }
    let after = bits(trainer.network());
    let (factors, bias) = (before.len() - 100, before.len() - 100..);
    assert_eq!(after[bias.clone()], before[bias]);
    assert!(after[..factors].iter().zip(&before).all(|(after, before)| after != before));
}

#[test]
fn a_new_adapter_begins_as_the_base_does() {
    let config = network("tiny-b").config().unwrap().clone();
    let fresh = Network::fresh(&base("tiny-b"), config.clone(), 3).unwrap();
    let out = tempfile::tempdir().unwrap();
    fresh.save(out.path()).unwrap();
    let mut plain = GuardRewardModel::on(&base("tiny-b"), ModelOptions::default(), |_| Ok(template())).unwrap();
    near(&packed(&fresh, &template(), &examples(), 4), &one_by_one(&mut plain, &examples()));
    assert_eq!(fresh.head().bias, Init::neutral(3).head(190).bias);
}

#[test]
fn examples_that_do_not_fit_are_refused() {
    assert!(matches!(GuardReply::new(vec![1], Vec::new()), Err(TrainError::EmptyReply)));
    let three = || GuardReply::new(vec![1], vec![2, 3, 4]).unwrap();
    for (cuts, wrong) in [(vec![1, 0], 0), (vec![4], 4), (Vec::new(), 0)] {
        let error = three().with_cuts(cuts).unwrap_err();
        assert!(matches!(error, TrainError::Cut { cut, length: 3 } if cut == wrong), "{error}");
    }
    let error = GuardExample::pair(three(), three().with_cuts(vec![1, 3]).unwrap()).unwrap_err();
    assert!(matches!(error, TrainError::PairCuts { left: 1, right: 2 }), "{error}");
    let mut trainer = trainer("tiny-a", template());
    let before = bits(trainer.network());
    let sample = |prompt: &[u32], tokens: Vec<u32>| GuardExample::Labelled {
        reply: reply(prompt, &tokens, &[tokens.len()]),
        safe: true,
    };
    let foreign = [labelled(true), sample(&[1], vec![2, 100])];
    let error = trainer.step(&foreign).unwrap_err();
    assert!(matches!(error, TrainError::Token { sample: 1, token: 100, size: 100 }), "{error}");
    // Seven tokens of the question and one of the prompt.
    let error = trainer.step(&[sample(&[1], vec![2; 2041])]).unwrap_err();
    assert!(matches!(error, TrainError::TooLong { sample: 0, length: 2049, limit: 2048 }), "{error}");
    assert!(matches!(trainer.step(&[]), Err(TrainError::EmptyBatch)));
    assert_eq!((trainer.steps(), bits(trainer.network())), (0, before));
}
