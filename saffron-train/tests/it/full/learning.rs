//! A small corpus is learnt by heart, from nothing and with an adapter.

use saffron_mrm::checkpoint::AdapterConfig;
use saffron_train::objective::next_token::{NextToken, Text};
use saffron_train::{AdamWSettings, Decay, Network, Schedule, Trainer};

use super::bits;
use crate::{base, settings};

const STEPS: u64 = 150;

fn sentences() -> Vec<Text> {
    let text = |text| Text::whole(base("tiny-b").tokenizer().encode(text).unwrap()).unwrap();
    ["Bread needs salt.", "Tea stands three minutes.", "A knight jumps."].map(text).to_vec()
}

/// Learns the sentences; gives the mean negative log-likelihood before and after.
fn learn(network: Network, rate: f64) -> (f64, Trainer<NextToken>) {
    let schedule = Schedule { warmup: 10, decay: Decay::Cosine { steps: STEPS, floor: 0.0 } };
    let optimizer = AdamWSettings { schedule, clip_norm: Some(1.0), ..settings(rate) };
    let mut trainer = Trainer::new(network, NextToken, optimizer).unwrap();
    let before = trainer.evaluate(&sentences(), 2).unwrap().nll;
    for _ in 0..STEPS {
        trainer.step(&sentences()).unwrap();
    }
    (before, trainer)
}

#[test]
fn three_sentences_are_learnt_by_heart_from_nothing() {
    let config = saffron_mrm::DecoderConfig { vocab_size: 190, hidden_size: 48, ..super::config(true) };
    let decoder = saffron_train::Init::neutral(1).decoder(&config, &base("tiny-b").decoder().device()).unwrap();
    let (before, trainer) = learn(Network::full(&decoder), 1e-2);
    assert!((before - 190f64.ln()).abs() < 1.5, "nothing is known before: {before}");
    let report = trainer.evaluate(&sentences(), 3).unwrap();
    assert!(report.nll < 1e-2, "{before} at first, {report:?} at last");
    assert!((report.perplexity.ln() - report.nll).abs() < 1e-12);
    assert!(trainer.network().head().bias.iter().all(|value| *value == 0.0));
}

#[test]
fn three_sentences_are_learnt_by_heart_with_an_adapter() {
    let targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let config = AdapterConfig::new(16, 32.0, targets.map(String::from).to_vec());
    let base = base("tiny-b");
    let (before, trainer) = learn(Network::fresh(&base, config, 1).unwrap(), 1e-2);
    let report = trainer.evaluate(&sentences(), 3).unwrap();
    assert!(before > 2.0 && report.nll < 1e-2, "{before} at first, {report:?} at last");
    assert!(trainer.network().head().bias.iter().all(|value| *value == 0.0), "a policy has no bias");
    let merged = Network::full(&trainer.network().plain());
    let found = Trainer::new(merged, NextToken, settings(1e-3)).unwrap().evaluate(&sentences(), 3).unwrap().nll;
    assert!((found - report.nll).abs() < 1e-4, "added to the weights it says the same: {found} for {}", report.nll);
}

#[test]
fn a_step_moves_every_matrix_and_no_norm() {
    let mut trainer = super::trainer(true);
    let before = super::matrices(&trainer.network().plain());
    let fresh = bits(trainer.network());
    assert_eq!(fresh, bits(super::trainer(true).network()));
    trainer.step(&super::texts()).unwrap();
    let after = trainer.network().plain();
    for (before, after) in before.iter().zip(super::matrices(&after)) {
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(moved > before.len() / 2, "{moved} of {}", before.len());
    }
    let norms = after.blocks().iter().flat_map(|block| block.norms.each()).map(|(_, norm)| norm).chain([after.norm()]);
    assert!(norms.flat_map(|norm| crate::numbers(norm.weight())).all(|weight| weight == 1.0));
}
