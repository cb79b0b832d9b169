//! The decoder beside the machine's limits: a decode step at several widths and contexts, and the prefill of a prompt.
//!
//! ```text
//! cargo bench -p saffron-examples --bench model
//! ```
#![allow(missing_docs, clippy::print_stderr, reason = "criterion's macros; benchmarks print their floors")]

use std::time::{Duration, Instant};

use burn::tensor::Device;
use criterion::{Criterion, criterion_group, criterion_main};
use saffron_core::Run;
use saffron_examples::bench::{Machine, beside_floor, engine, read, smollm2};
use saffron_examples::device::{device, first};
use saffron_mrm::DecoderConfig;
use saffron_mrm::engine::{Engine, Outputs, Query};

fn bench_device() -> Device {
    device(first()).unwrap_or_else(|error| panic!("{error}"))
}

/// Bytes of all weights that a forward pass reads.
fn weight_bytes(config: &DecoderConfig) -> f64 {
    config.shape().forwarded(1, 0, 1).flops as f64 / 2.0 * 4.0
}

fn key_value_bytes(config: &DecoderConfig, tokens: usize) -> f64 {
    (config.num_hidden_layers * 2 * config.key_width() * 4 * tokens) as f64
}

/// Time of one call for contexts.
fn ask(engine: &mut Engine, contexts: Vec<Vec<u32>>) -> Duration {
    let run = Run::new();
    let queries: Vec<Query<'_>> = contexts.into_iter().map(|tokens| Query { run: &run, tokens, scratch: 0 }).collect();
    let begun = Instant::now();
    let answers = engine.last_logits(&queries, Outputs::All);
    let elapsed = begun.elapsed();
    assert!(answers.is_ok_and(|answers| answers.len() == queries.len()), "the engine answers");
    elapsed
}

/// The width alone stands for the shorter context.
fn step_name(batch: u32, context: usize) -> String {
    if context == 64 { format!("decoder/step/{batch}") } else { format!("decoder/step/{batch}x{context}") }
}

fn steps(criterion: &mut Criterion) {
    let (config, device) = (smollm2(), bench_device());
    let machine = Machine::measure(&config, &device);
    let mut engine = engine(&config, &device);
    ask(&mut engine, vec![(0..2_000).collect()]); // the pools at their full size
    for context in [64usize, 1000] {
        let trunk: Vec<u32> = (0..context as u32).map(|i| i * 7 % 40_000).collect();
        ask(&mut engine, vec![trunk.clone()]);
        for (batch, target) in [(1u32, "1.3"), (16, "2"), (64, "2")] {
            let bytes = weight_bytes(&config) + key_value_bytes(&config, context + batch as usize);
            let pairs = u64::from(batch) * (context as u64 + 1);
            let flops = config.shape().forwarded(u64::from(batch), pairs, u64::from(batch)).flops;
            if context == 64 {
                floor(criterion, batch, bytes);
            }
            let mut next = 0u32;
            beside_floor(criterion, &step_name(batch, context), machine.floor(bytes, flops as f64), target, || {
                next = (next + 64) % 40_000;
                let context = |row: u32| trunk.iter().copied().chain([next + row]).collect::<Vec<u32>>();
                let contexts: Vec<Vec<u32>> = (0..batch).map(context).collect();
                ask(&mut engine, contexts)
            });
        }
    }
}

/// Reading as many bytes as a step must, and nothing else.
fn floor(criterion: &mut Criterion, batch: u32, bytes: f64) {
    let buffer = vec![1u64; (bytes / 8.0) as usize];
    criterion.bench_function(&format!("decoder/floor/{batch}"), |bench| bench.iter(|| read(&buffer)));
}

fn prefill(criterion: &mut Criterion) {
    let (config, device) = (smollm2(), bench_device());
    let machine = Machine::measure(&config, &device);
    let mut engine = engine(&config, &device);
    for tokens in [64u32, 512] {
        let flops = config.shape().continuation(0, u64::from(tokens), 1).flops;
        let floor = machine.floor(weight_bytes(&config), flops as f64);
        let mut next = 0;
        beside_floor(criterion, &format!("decoder/prefill/{tokens}"), floor, "1.5", || {
            next = (next + 1) % 40_000;
            ask(&mut engine, vec![(0..tokens).map(|i| (next + i * 3) % 49_000).collect()])
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = steps, prefill
}
criterion_main!(benches);
