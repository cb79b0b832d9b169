//! What the benchmarks share: a model of SmolLM2's sizes with random weights (speed does not depend
//! on their values), what the machine can do at best, and figures beside their floors.
#![allow(clippy::print_stderr, reason = "benchmarks print their floors")]

pub mod criterion_files;
pub mod growth;
pub mod requests;

use std::convert::Infallible;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use criterion::Criterion;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::symmetric_f32;
use saffron_mrm::engine::Engine;
use saffron_mrm::nn::{Block, BlockNorms, Decoder, Linear, RmsNorm};
use saffron_mrm::{Choices, DecoderConfig, ModelOptions};

/// SmolLM2-135M's sizes.
#[must_use]
pub fn smollm2() -> DecoderConfig {
    DecoderConfig {
        hidden_size: 576,
        intermediate_size: 1536,
        num_hidden_layers: 30,
        num_attention_heads: 9,
        num_key_value_heads: 3,
        head_dim: 64,
        vocab_size: 49_152,
        max_position_embeddings: 8192,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        eos_token_ids: vec![2],
        choices: Choices::llama(100_000.0),
    }
}

/// A decoder of these sizes with random weights.
#[must_use]
pub fn random_decoder(config: &DecoderConfig, device: &Device) -> Decoder {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut matrix = |rows: usize, columns: usize| -> Tensor<2> {
        let scale = 1.0 / (columns as f32).sqrt();
        let mut value = || symmetric_f32(&mut rng) * scale;
        let values: Vec<f32> = (0..rows * columns).map(|_| value()).collect();
        Tensor::from_data(TensorData::new(values, [rows, columns]), device)
    };
    let hidden = config.hidden_size;
    let norm = |width| RmsNorm::neutral(width, config.choices.norm_weights, config.rms_norm_eps, device);
    let norms = || {
        let Ok(norms) = BlockNorms::build(config, |_, width| Ok::<_, Infallible>(norm(width)));
        norms
    };
    let (q, kv, wide) = (config.query_width(), config.key_width(), config.intermediate_size);
    let blocks = (0..config.num_hidden_layers)
        .map(|_| Block {
            norms: norms(),
            qkv: Linear::new(matrix(q + 2 * kv, hidden), None),
            output: Linear::new(matrix(hidden, q), None),
            gate_up: Linear::new(matrix(2 * wide, hidden), None),
            down: Linear::new(matrix(hidden, wide), None),
        })
        .collect();
    // Larger than the rest, so that a nucleus has tens of tokens, as a trained model's has, and not
    // half the vocabulary.
    let embedding = matrix(config.vocab_size, hidden).mul_scalar(8.0);
    Decoder::new(config.clone(), embedding, blocks, norm(hidden), None)
}

/// An engine around such a decoder, with a cache that is soon at its full size: pools that still
/// grow are no part of a step.
///
/// # Panics
///
/// Never: the budget holds thousands of tokens.
#[must_use]
pub fn engine(config: &DecoderConfig, device: &Device) -> Engine {
    let options = ModelOptions { cache_bytes: 128 << 20, ..ModelOptions::default() };
    match Engine::new(random_decoder(config, device), options) {
        Ok(engine) => engine,
        Err(error) => panic!("{error}"),
    }
}

/// The checkpoint that `SAFFRON_MODEL` names; none where it is not set. A relative path starts from
/// the project's root, as the documented commands are run there, and not from the package's folder,
/// where cargo starts a benchmark.
#[must_use]
pub fn named_model() -> Option<PathBuf> {
    std::env::var_os("SAFFRON_MODEL").map(|path| from_root(Path::new(&path)))
}

/// A path as seen from the project's root; an absolute one as it is.
#[must_use]
pub fn from_root(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What the machine can do at best, measured in the same process.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Bytes read per second, all threads together.
    pub bandwidth: f64,
    /// Floating-point operations per second of the fastest product of any of the model's shapes, at
    /// any batch, in any orientation.
    pub flops: f64,
}

impl Machine {
    /// Measures the machine for a model's shapes.
    #[must_use]
    pub fn measure(config: &DecoderConfig, device: &Device) -> Self {
        let machine = Self { bandwidth: bandwidth(), flops: best_product(config, device) };
        eprintln!("machine: reads {:.1} GB/s, multiplies {:.0} GFLOP/s", machine.bandwidth / 1e9, machine.flops / 1e9);
        machine
    }

    /// The least time that so many bytes and operations can take.
    #[must_use]
    pub fn floor(&self, bytes: f64, flops: f64) -> Duration {
        Duration::from_secs_f64((bytes / self.bandwidth).max(flops / self.flops))
    }
}

/// Reading a buffer that no cache holds, with as many threads as there are cores.
fn bandwidth() -> f64 {
    let buffer = vec![1u64; 64 << 20];
    let timed = || {
        let begun = Instant::now();
        read(&buffer);
        begun.elapsed()
    };
    let best = (0..7).map(|_| timed()).min().unwrap_or(Duration::MAX);
    (buffer.len() * 8) as f64 / best.as_secs_f64()
}

/// Reads a buffer with as many threads as there are cores.
pub fn read(buffer: &[u64]) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for chunk in buffer.chunks(buffer.len().div_ceil(threads)) {
            scope.spawn(move || black_box(sum_of_streams(chunk)));
        }
    });
}

/// Reads eight places at once: one stream alone does not keep a core's memory requests busy.
fn sum_of_streams(values: &[u64]) -> u64 {
    let part = values.len() / 8;
    let streams: [&[u64]; 8] = std::array::from_fn(|place| &values[place * part..(place + 1) * part]);
    let mut sums = [[0u64; 8]; 8];
    for at in (0..part / 8).map(|line| line * 8) {
        for (sums, stream) in sums.iter_mut().zip(streams) {
            sums.iter_mut().zip(&stream[at..at + 8]).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
        }
    }
    sums.as_flattened().iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

fn best_product(config: &DecoderConfig, device: &Device) -> f64 {
    let (hidden, wide) = (config.hidden_size, config.intermediate_size);
    let shapes =
        [(config.query_width() + 2 * config.key_width(), hidden), (2 * wide, hidden), (hidden, wide), (16384, hidden)];
    let ones = |rows: usize, columns: usize| Tensor::<2>::ones([rows, columns], device);
    let mut best: f64 = 0.0;
    for (out, into) in shapes {
        for batch in [16, 64, 512] {
            let (weight, left, right) = (ones(out, into), ones(into, batch), ones(batch, into));
            let flops = (2 * out * into * batch) as f64;
            let time = |product: &dyn Fn() -> Tensor<2>| {
                let once = || {
                    let begun = Instant::now();
                    black_box(product());
                    begun.elapsed()
                };
                (0..12).map(|_| once()).min().unwrap_or(Duration::MAX)
            };
            let on_left = time(&|| weight.clone().matmul(left.clone()));
            let on_right = time(&|| right.clone().matmul(weight.clone().transpose()));
            best = best.max(flops / on_left.min(on_right).as_secs_f64());
        }
    }
    best
}

/// Runs one criterion benchmark and prints its best figure beside a floor.
pub fn beside_floor(
    criterion: &mut Criterion,
    name: &str,
    floor: Duration,
    target: &str,
    once: impl FnMut() -> Duration,
) {
    let Some(median) = median(criterion, name, once) else { return };
    eprintln!(
        "{name}: median {:.1} ms, floor {:.1} ms, ratio {:.2} (target {target})\n",
        median.as_secs_f64() * 1e3,
        floor.as_secs_f64() * 1e3,
        median.as_secs_f64() / floor.as_secs_f64()
    );
}

/// Runs one criterion benchmark of something that times itself and gives the median of all calls;
/// none when another benchmark was asked for.
pub fn median(criterion: &mut Criterion, name: &str, mut once: impl FnMut() -> Duration) -> Option<Duration> {
    let mut all = Vec::new();
    criterion.bench_function(name, |bench| {
        bench.iter_custom(|count| {
            let times: Vec<Duration> = (0..count).map(|_| once()).collect();
            all.extend_from_slice(&times);
            times.iter().sum()
        });
    });
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::from_root;

    #[test]
    fn a_relative_path_starts_from_the_projects_root() {
        assert!(from_root(Path::new("saffron-core/Cargo.toml")).is_file());
        assert_eq!(from_root(Path::new("/models/mine")), Path::new("/models/mine"));
    }
}
