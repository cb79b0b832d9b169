//! A small corpus is learnt by heart.

use burn::tensor::Device;
use saffron_mrm::checkpoint::AdapterConfig;
use saffron_search::eval::runs::{Manifest, Shard};
use saffron_train::run::Line;
use saffron_train::{
    AdamWSettings, Decay, Network, PartialSupervision, RunSettings, Sample, Schedule, TrainRun, Trainer,
};

use crate::labels::fast_dir;
use crate::{base, settings};

const SENTENCES: [&str; 3] = ["Bread needs salt.", "Tea stands three minutes.", "A knight jumps."];

#[test]
fn three_sentences_are_learnt_by_heart() {
    let base = base("tiny-b");
    assert_eq!(base.decoder().device(), Device::flex());
    let sample = |(place, text): (usize, &&str)| {
        let tokens = base.tokenizer().encode(text).unwrap();
        let rewards = (1..tokens.len()).map(|at| ((place * 5 + at * 3) % 7) as f32 / 3.0 - 1.0).collect();
        Sample::new(tokens, rewards).unwrap()
    };
    let corpus: Vec<Sample> = SENTENCES.iter().enumerate().map(sample).collect();
    let targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let config = AdapterConfig::new(16, 32.0, targets.map(String::from).to_vec());
    let schedule = Schedule { warmup: 10, decay: Decay::Cosine { steps: 300, floor: 0.0 } };
    let optimizer = AdamWSettings { schedule, clip_norm: Some(1.0), ..settings(1e-2) };
    let trainer = Trainer::new(Network::fresh(&base, config, 1).unwrap(), PartialSupervision, optimizer).unwrap();
    let settings =
        RunSettings { epochs: 300, batch: 3, validate_every: 300, checkpoint_every: 0, ..RunSettings::default() };
    let dir = fast_dir();
    let manifest = Manifest::new(serde_json::Value::Null, Shard::WHOLE);
    let mut run = TrainRun::open(dir.path(), &manifest, trainer, settings).unwrap();
    let report = run.train(&corpus, &corpus, &mut ()).unwrap().report.unwrap();
    let lines = run.lines().unwrap();
    let losses: Vec<f32> = lines
        .iter()
        .filter_map(|line| if let Line::Step { done, .. } = line { Some(done.loss) } else { None })
        .collect();
    let last = run.trainer().loss(&corpus).unwrap();
    assert!(losses[0] > 0.3, "it was not known before: {}", losses[0]);
    assert!(last < 1e-3, "{} at first, {last} at last", losses[0]);
    assert!((report.root_mean_square_error.powi(2) - f64::from(last)).abs() < 1e-6);
}
