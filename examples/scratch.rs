//! Scratch.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]
use burn::tensor::{DType, Device};
use saffron_examples as _;
use saffron_mrm::checkpoint::AdapterConfig;
use saffron_mrm::{Base, GuardTemplate};
use saffron_train::objective::guard::*;
use saffron_train::*;
use std::time::Instant;
fn main() {
    let device = Device::flex();
    let base = Base::open("models/smollm2", &device, DType::F32).unwrap();
    let config = AdapterConfig::new(8, 16.0, vec!["q_proj".into(), "v_proj".into()]);
    let template =
        GuardTemplate::in_words(base.tokenizer(), ["User:", "\n\nAgent:", "\n\nThe reply is"], [" safe", " unsafe"])
            .unwrap();
    let mut trainer =
        Trainer::new(Network::fresh(&base, config, 0), GuardObjective::new(template), AdamWSettings::default())
            .unwrap();
    let rounds: usize = std::env::args().nth(1).map_or(3, |n| n.parse().unwrap());
    for (n, len) in [(8usize, 90usize)] {
        let batch: Vec<GuardExample> = (0..n)
            .map(|i| {
                let tokens: Vec<u32> = (0..len as u32).map(|t| (t * 37 + i as u32 * 991) % 40000 + 5).collect();
                GuardExample::Labelled {
                    reply: GuardReply::new(tokens[..20].to_vec(), tokens[20..].to_vec()).unwrap(),
                    safe: i % 2 == 0,
                }
            })
            .collect();
        for _ in 0..rounds {
            let t = Instant::now();
            trainer.loss(&batch).unwrap();
            let f = t.elapsed().as_secs_f64();
            let t = Instant::now();
            let step = trainer.step(&batch).unwrap();
            let s = t.elapsed().as_secs_f64();
            println!("{n}x{len}: loss {f:.2} s, step {s:.2} s, {:.0} tok/s {step:?}", step.tokens as f64 / s);
        }
    }
}
