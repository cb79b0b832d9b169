//! The optimiser's settings: clipping, schedules, what is refused.

use saffron_train::optim::{clip_norm, norm};
use saffron_train::{AdamWSettings, Decay, Gradients, PartialSupervision, Schedule, TrainError, Trainer};

use crate::{bits, gradients_of, network, samples, settings, trainer};

#[test]
fn clipping_scales_all_gradients_to_the_norm_that_is_allowed() {
    let trainer = trainer("tiny-a", 1e-3);
    let before = trainer.gradients(&samples()).unwrap();
    let plain = gradients_of(&trainer, &before);
    let by_hand = plain.iter().flatten().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32;
    let found = norm(trainer.network().adapter(), &before.gradients);
    assert!((found - by_hand).abs() < 1e-5 * by_hand, "{found} for {by_hand}");
    let clipped = |limit: f32| {
        let Gradients { gradients, loss, terms, tokens } = trainer.gradients(&samples()).unwrap();
        let gradients = clip_norm(trainer.network().adapter(), gradients, found, limit);
        gradients_of(&trainer, &Gradients { gradients, loss, terms, tokens })
    };
    assert_eq!(clipped(found), plain, "a norm at the limit is left alone");
    for (found, plain) in clipped(by_hand / 4.0).iter().flatten().zip(plain.iter().flatten()) {
        assert!((found - plain / 4.0).abs() <= 1e-5 * plain.abs(), "{found} for a quarter of {plain}");
    }
}

#[test]
fn a_step_tells_the_norm_before_clipping_and_moves_by_the_clipped_gradients() {
    let step = |clip_norm| {
        let settings = AdamWSettings { clip_norm, eps: 1.0, ..settings(1e-2) };
        let mut trainer = Trainer::new(network("tiny-a"), PartialSupervision, settings);
        let trainer = trainer.as_mut().unwrap();
        let step = trainer.step(&samples()).unwrap();
        (step.norm, bits(trainer.network()))
    };
    let ((norm, plain), (same, clipped)) = (step(None), step(Some(1e-3)));
    assert!(norm > 1.0 && norm.to_bits() == same.to_bits());
    assert_ne!(plain, clipped);
    assert_eq!(step(Some(norm + 1.0)).1, plain);
}

fn course(warmup: u64, decay: Decay, steps: &[u64]) -> Vec<f64> {
    let settings = AdamWSettings { schedule: Schedule { warmup, decay }, ..settings(2.0) };
    settings.check().unwrap();
    steps.iter().map(|step| settings.rate(*step)).collect()
}

#[test]
fn rates_turn_where_schedules_say() {
    let linear = |steps, floor| Decay::Linear { steps, floor };
    assert_eq!(course(0, Decay::Constant, &[0, 1, u64::MAX]), [2.0; 3]);
    assert_eq!(course(4, Decay::Constant, &[0, 1, 3, 4, 100]), [0.5, 1.0, 2.0, 2.0, 2.0]);
    assert_eq!(course(2, linear(10, 0.5), &[1, 2, 6, 10, 11, u64::MAX]), [2.0, 2.0, 1.5, 1.0, 1.0, 1.0]);
    for steps in [0, 5] {
        let schedule = Schedule { warmup: 5, decay: linear(steps, 0.25) };
        let error = AdamWSettings { schedule, ..settings(2.0) }.check().unwrap_err().to_string();
        assert_eq!(
            error,
            format!("schedule.decay.steps: expected more than warmup, found {steps}"),
            "no room for a decay"
        );
    }
    let cosine = course(1, Decay::Cosine { steps: 9, floor: 0.5 }, &[0, 1, 3, 5, 7, 9, 50]);
    let expected = [2.0, 2.0, 1.5 + 0.125f64.sqrt(), 1.5, 1.5 - 0.125f64.sqrt(), 1.0, 1.0];
    assert!(cosine.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{cosine:?}");
}

#[test]
fn a_step_takes_the_rate_of_its_number() {
    let schedule = Schedule { warmup: 2, decay: Decay::Linear { steps: 4, floor: 0.0 } };
    let settings = AdamWSettings { schedule, ..settings(1e-2) };
    let mut trainer = Trainer::new(network("tiny-a"), PartialSupervision, settings).unwrap();
    let rates: Vec<f64> = (0..5).map(|_| trainer.step(&samples()).unwrap().rate).collect();
    assert_eq!(rates, [0.005, 0.01, 0.01, 0.005, 0.0]);
    let before = bits(trainer.network());
    trainer.step(&samples()).unwrap();
    assert_eq!(bits(trainer.network()), before, "a rate of 0 moves nothing");
}

#[test]
fn settings_that_teach_nothing_are_refused_by_name() {
    let plain = AdamWSettings::default;
    let floor = |floor| Schedule { warmup: 0, decay: Decay::Linear { steps: 5, floor } };
    let cases = [
        (AdamWSettings { learning_rate: 0.0, ..plain() }, "learning_rate"),
        (AdamWSettings { learning_rate: f64::NAN, ..plain() }, "learning_rate"),
        (AdamWSettings { learning_rate: f64::INFINITY, ..plain() }, "learning_rate"),
        (AdamWSettings { betas: [1.0, 0.9], ..plain() }, "betas[0]"),
        (AdamWSettings { betas: [0.9, -0.1], ..plain() }, "betas[1]"),
        (AdamWSettings { eps: 0.0, ..plain() }, "eps"),
        (AdamWSettings { weight_decay: -1.0, ..plain() }, "weight_decay"),
        (AdamWSettings { weight_decay: f32::INFINITY, ..plain() }, "weight_decay"),
        (AdamWSettings { clip_norm: Some(0.0), ..plain() }, "clip_norm"),
        (AdamWSettings { clip_norm: Some(f32::NAN), ..plain() }, "clip_norm"),
        (AdamWSettings { schedule: floor(1.5), ..plain() }, "schedule.decay.floor"),
        (AdamWSettings { schedule: floor(f64::NAN), ..plain() }, "schedule.decay.floor"),
    ];
    for (settings, expected) in cases {
        let error = Trainer::new(network("tiny-a"), PartialSupervision, settings);
        let Err(TrainError::Setting { name, .. }) = error else { panic!("{settings:?} is taken") };
        assert_eq!(name, expected);
    }
}
