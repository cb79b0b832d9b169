//! Scratch.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]
use std::time::Instant;
use burn::tensor::Device;
use saffron_mrm::checkpoint::AdapterConfig;
use saffron_mrm::engine::Engine;
use saffron_mrm::{ModelOptions, RewardHead};
use saffron_train::*;
use saffron_examples as _;
fn main() {
    let device = Device::flex();
    let engine = Engine::open("models/smollm2".as_ref(), &device, ModelOptions::default()).unwrap();
    let config = AdapterConfig::new(8, 16.0, vec!["q_proj".into(), "v_proj".into()]);
    let lora = Init::neutral(0).adapter(&config, engine.decoder().config(), &device);
    let mut trainer = Trainer::new(engine.decoder(), &lora, config, &RewardHead::neutral(49152), AdamWSettings::default());
    for (n, len) in [(4usize, 128usize)] {
        let batch: Vec<Sample> = (0..n).map(|i| Sample::new((0..len as u32).map(|t| (t * 37 + i as u32 * 991) % 40000 + 5).collect(), vec![0.5; len - 1]).unwrap()).collect();
        for _ in 0..3 {
            let t = Instant::now();
            trainer.loss(&batch).unwrap();
            let f = t.elapsed().as_secs_f64();
            let t = Instant::now();
            trainer.step(&batch).unwrap();
            let s = t.elapsed().as_secs_f64();
            println!("{n}x{len}: loss {f:.2} s, step {s:.2} s, {:.0} tok/s", (n * len) as f64 / s);
        }
    }
}
