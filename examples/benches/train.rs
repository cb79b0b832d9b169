//! Training and annotation: one causal pass against a pass a prefix, the trie cache against none.
//!
//! ```text
//! cargo bench -p saffron-examples --bench train
//! ```
//!
//! Random weights of SmolLM2's sizes; speed does not depend on their values.
#![allow(missing_docs, clippy::print_stderr, reason = "criterion's macros; benchmarks print their ratios")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use saffron_core::{Run, Token};
use saffron_examples::bench::{Machine, engine, median, random_decoder, smollm2};
use saffron_examples::device::{device, first};
use saffron_kvtrie::Reuse;
use saffron_mrm::checkpoint::AdapterConfig;
use saffron_mrm::engine::{Engine, Outputs, Query};
use saffron_mrm::{ModelOptions, RewardHead};
use saffron_train::{AdamWSettings, Init, Network, PartialSupervision, Sample, Trainer};

/// Tokens of a conversation: half of what the reference cuts at, so that a pass a prefix takes seconds, not minutes.
const TOKENS: usize = 64;
/// Prefixes a batch where each has a pass of its own, as the paper's batches (appendix A.1).
const PREFIXES: usize = 4;
/// Prompt, reply and question of a guard.
const PROMPT: usize = 32;
const REPLY: usize = 64;
const QUESTION: usize = 5;

fn trainer() -> Trainer {
    let device = device(first()).unwrap_or_else(|error| panic!("{error}"));
    let (model, config) = (smollm2(), AdapterConfig::new(8, 16.0, vec!["q_proj".into(), "v_proj".into()]));
    let lora = Init::neutral(0).adapter(&config, &model, &device).unwrap_or_else(|error| panic!("{error}"));
    let head = RewardHead::neutral(model.vocab_size);
    let network = Network::new(&random_decoder(&model, &device), &lora, config, &head);
    Trainer::new(network, PartialSupervision, AdamWSettings::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn tokens(count: usize, salt: u32) -> Vec<Token> {
    (0..count as u32).map(|place| (place * 37 + salt * 991) % 40_000 + 5).collect()
}

fn conversation(salt: u32) -> Sample {
    let rewards = (1..TOKENS).map(|place| (place % 7) as f32 - 3.0).collect();
    Sample::new(tokens(TOKENS, salt), rewards).unwrap_or_else(|error| panic!("{error}"))
}

/// The gradients of all targets of a conversation.
fn supervision(criterion: &mut Criterion) {
    let device = device(first()).unwrap_or_else(|error| panic!("{error}"));
    let machine = Machine::measure(&smollm2(), &device);
    let (trainer, sample) = (trainer(), conversation(1));
    let prefixes: Vec<Sample> = sample.prefixes().collect();
    let gradients = |samples: &[Sample]| {
        let begun = Instant::now();
        trainer.gradients(samples).unwrap_or_else(|error| panic!("{error}"));
        begun.elapsed()
    };
    let one = median(criterion, "train/one_causal_pass", || gradients(std::slice::from_ref(&sample)));
    let four: Vec<Sample> = (1..5).map(conversation).collect();
    let batch = median(criterion, "train/batch_of_four", || gradients(&four));
    let many = median(criterion, "train/prefix_by_prefix", || prefixes.chunks(PREFIXES).map(gradients).sum());
    if let Some((one, many)) = one.zip(many) {
        eprintln!("train: {TOKENS} tokens: {}, ratio {:.1} (target 20)\n", both(one, many), ratio(one, many));
    }
    if let Some(batch) = batch {
        // Two operations a weight forward and two backward; the frozen weights have no gradient.
        let flops = (4 * TOKENS) as f64 * 4.0 * linear_weights() as f64;
        let (speed, rate) = ((4 * TOKENS) as f64 / batch.as_secs_f64(), flops / batch.as_secs_f64());
        eprintln!(
            "train: a batch of four: {speed:.0} tokens/s, {:.0} % of the best product\n",
            100.0 * rate / machine.flops
        );
    }
}

/// Weights of the linear layers, the unembedding apart.
fn linear_weights() -> usize {
    let model = smollm2();
    let (hidden, wide) = (model.hidden_size, model.intermediate_size);
    let attention = hidden * (2 * model.query_width() + 2 * model.key_width());
    model.num_hidden_layers * (attention + 3 * hidden * wide)
}

/// The rewards of all prefixes of a reply, by a guard.
fn annotation(criterion: &mut Criterion) {
    let device = device(first()).unwrap_or_else(|error| panic!("{error}"));
    let mut cached = engine(&smollm2(), &device);
    let options = ModelOptions { reuse: Reuse::Nothing, ..cached.options() };
    let mut without = Engine::new(cached.decoder().clone(), options).unwrap_or_else(|error| panic!("{error}"));
    let with = median(criterion, "annotate/trie", || annotate(&mut cached));
    let without = median(criterion, "annotate/no_cache", || annotate(&mut without));
    if let Some((with, without)) = with.zip(without) {
        let speed = REPLY as f64 / with.as_secs_f64();
        eprintln!(
            "annotate: {REPLY} prefixes: {}, ratio {:.1}, {speed:.0} rewards/s\n",
            both(with, without),
            ratio(with, without)
        );
    }
}

fn annotate(engine: &mut Engine) -> Duration {
    let (run, trunk, question) = (Run::new(), tokens(PROMPT + REPLY, 1), tokens(QUESTION, 2));
    let context = |reply: usize| [&trunk[..PROMPT + reply], &question].concat();
    let queries: Vec<Query<'_>> =
        (1..=REPLY).map(|reply| Query { run: &run, tokens: context(reply), scratch: QUESTION }).collect();
    engine.forget();
    let begun = Instant::now();
    let parts = queries.chunks(PREFIXES * 4);
    parts.for_each(|part| {
        drop(engine.last_logits(part, Outputs::Tokens(&[1, 2])).unwrap_or_else(|error| panic!("{error}")));
    });
    begun.elapsed()
}

fn both(fast: Duration, slow: Duration) -> String {
    format!("{:.0} ms against {:.0} ms", fast.as_secs_f64() * 1e3, slow.as_secs_f64() * 1e3)
}

fn ratio(fast: Duration, slow: Duration) -> f64 {
    slow.as_secs_f64() / fast.as_secs_f64()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5));
    targets = annotation, supervision
}
criterion_main!(benches);
