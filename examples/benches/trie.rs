//! The trie's index alone: no tensors.
//!
//! ```text
//! cargo bench -p saffron-examples --bench trie
//! ```
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_kvtrie::evict::Lru;
use saffron_kvtrie::index::{Index, NodeRef, SlotAllocator};
use saffron_kvtrie::{Reuse, Seq, Trie, Want};

fn random(count: usize, vocabulary: u32, rng: &mut ChaCha8Rng) -> Vec<u32> {
    (0..count).map(|_| rng.next_u32() % vocabulary).collect()
}

fn store(trie: &mut Trie, tokens: &[u32]) -> Seq {
    let reservation = trie.reserve(&[Want::keep(tokens)], Reuse::Cached).unwrap_or_else(|error| panic!("{error}"));
    trie.commit(reservation).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

/// A beam of the index alone: every leaf forks its parent, takes a token and a slot, and lets the parent go.
struct Beam {
    index: Index,
    slots: SlotAllocator,
    leaves: Vec<NodeRef>,
}

const STEPS: usize = 50;

impl Beam {
    fn new(prompt: usize, width: usize) -> Self {
        let capacity = (prompt + width * (STEPS + 1)) as u32;
        let (mut index, mut slots) = (Index::new(capacity, Lru::default()), SlotAllocator::new(capacity));
        let tokens = random(prompt, 50_000, &mut ChaCha8Rng::seed_from_u64(1));
        let taken: Vec<u32> = slots.take(prompt as u32).into_iter().flatten().flat_map(|run| run.slots()).collect();
        let root = index.root();
        let end = index.insert(root, &tokens, &taken).map(|(end, _)| end).unwrap_or_else(|error| panic!("{error}"));
        let leaves = vec![end; width];
        leaves.iter().for_each(|leaf| index.pin(*leaf).unwrap_or_else(|error| panic!("{error}")));
        Self { index, slots, leaves }
    }

    fn step(&mut self, step: u32) {
        let run = self.slots.take(self.leaves.len() as u32).unwrap_or_default();
        for (place, (leaf, slot)) in self.leaves.iter_mut().zip(run.iter().flat_map(|run| run.slots())).enumerate() {
            let child = self.index.insert(*leaf, &[step * 64 + place as u32], &[slot]);
            let (child, _) = child.unwrap_or_else(|error| panic!("{error}"));
            self.index.pin(child).and_then(|()| self.index.unpin(*leaf)).unwrap_or_else(|error| panic!("{error}"));
            *leaf = child;
        }
    }
}

/// Time per leaf and step.
fn extend(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trie/extend");
    for (prompt, width) in [(100, 16), (100, 64), (1000, 16), (1000, 64), (1000, 256)] {
        group.bench_function(BenchmarkId::new("index", format!("{prompt}x{width}")), |bench| {
            bench.iter_custom(|count| {
                let (mut total, mut leaves) = (Duration::ZERO, 0);
                while leaves < count {
                    let mut beam = Beam::new(prompt, width);
                    let begun = Instant::now();
                    (0..STEPS as u32).for_each(|step| beam.step(step));
                    total += begun.elapsed();
                    leaves += (STEPS * width) as u64;
                }
                total.mul_f64(count as f64 / leaves as f64)
            });
        });
        group.bench_function(BenchmarkId::new("reserve_commit", format!("{prompt}x{width}")), |bench| {
            bench.iter_custom(|count| reserve_and_commit(prompt, width, count));
        });
        group.bench_function(BenchmarkId::new("after", format!("{prompt}x{width}")), |bench| {
            bench.iter_custom(|count| reserve_after(prompt, width, count));
        });
    }
    group.finish();
}

/// The same through reservations of whole contexts, as an engine asks: match from the root, rows, slots, chains, commit, handles.
fn reserve_and_commit(prompt: usize, width: usize, count: u64) -> Duration {
    let (mut total, mut leaves) = (Duration::ZERO, 0);
    while leaves < count {
        let mut trie = Trie::new((prompt + width * (STEPS + 1)) as u32);
        let tokens = random(prompt, 50_000, &mut ChaCha8Rng::seed_from_u64(1));
        let mut held = vec![store(&mut trie, &tokens)];
        let mut contexts = vec![tokens; width];
        for step in 0..STEPS as u32 {
            contexts.iter_mut().enumerate().for_each(|(place, context)| context.push(step * 64 + place as u32));
            let begun = Instant::now();
            let wants: Vec<Want<'_>> = contexts.iter().map(|tokens| Want::keep(tokens)).collect();
            let reservation = trie.reserve(&wants, Reuse::Cached).unwrap_or_else(|error| panic!("{error}"));
            held = trie.commit(black_box(reservation)).unwrap_or_else(|error| panic!("{error}"));
            total += begun.elapsed();
        }
        drop(held);
        leaves += (STEPS * width) as u64;
    }
    total.mul_f64(count as f64 / leaves as f64)
}

/// The same with every context given as its parent's handle and one token: nothing is matched from the root.
fn reserve_after(prompt: usize, width: usize, count: u64) -> Duration {
    let (mut total, mut leaves) = (Duration::ZERO, 0);
    while leaves < count {
        let mut trie = Trie::new((prompt + width * (STEPS + 1)) as u32);
        let tokens = random(prompt, 50_000, &mut ChaCha8Rng::seed_from_u64(1));
        let mut held = vec![store(&mut trie, &tokens); width];
        for step in 0..STEPS as u32 {
            let next: Vec<[u32; 1]> = (0..width as u32).map(|place| [step * 64 + place]).collect();
            let begun = Instant::now();
            let wants: Vec<Want<'_>> = held.iter().zip(&next).map(|(seq, token)| Want::after(seq, token)).collect();
            let reservation = trie.reserve(&wants, Reuse::Cached).unwrap_or_else(|error| panic!("{error}"));
            held = trie.commit(black_box(reservation)).unwrap_or_else(|error| panic!("{error}"));
            total += begun.elapsed();
        }
        drop(held);
        leaves += (STEPS * width) as u64;
    }
    total.mul_f64(count as f64 / leaves as f64)
}

fn matching(criterion: &mut Criterion) {
    for (length, prompts) in [(1024, 200), (8192, 200), (1024, 10_000)] {
        let name =
            if prompts == 200 { format!("trie/match_{length}") } else { format!("trie/match_{length}/{prompts}") };
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let prompts: Vec<Vec<u32>> = (0..prompts).map(|_| random(length, 50_000, &mut rng)).collect();
        let mut trie = Trie::new((prompts.len() * length) as u32);
        prompts.iter().for_each(|prompt| drop(store(&mut trie, prompt)));
        let mut next = 0;
        criterion.bench_function(&name, |bench| {
            bench.iter(|| {
                next = (next + 7919) % prompts.len();
                assert_eq!(trie.stored(&prompts[next]), length);
            });
        });
        criterion.bench_function(&format!("{name}/hot"), |bench| {
            bench.iter(|| assert_eq!(trie.stored(&prompts[0]), length));
        });
    }
}

fn evicting(criterion: &mut Criterion) {
    for leaves in [100, 1_000, 10_000, 100_000, 1_000_000usize] {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut trie = Trie::new((leaves * 64) as u32);
        // Used in another order than stored, so that victims do not lie side by side.
        let mut order: Vec<u32> = (0..leaves as u32).collect();
        let context = |leaf: u32| -> Vec<u32> { (0..64).map(|place| leaf * 64 + place).collect() };
        order.iter().for_each(|leaf| drop(store(&mut trie, &context(*leaf))));
        for place in (1..order.len()).rev() {
            order.swap(place, rng.next_u32() as usize % (place + 1));
        }
        order.iter().for_each(|leaf| assert_eq!(trie.stored(&context(*leaf)), 64));
        let mut oldest = 0;
        criterion.bench_with_input(BenchmarkId::new("trie/evict_64", leaves), &leaves, |bench, _| {
            bench.iter_custom(|count| {
                let (mut total, mut done) = (Duration::ZERO, 0);
                while done < count {
                    let batch = 16.min(count - done);
                    let begun = Instant::now();
                    (0..batch).for_each(|_| assert_eq!(trie.evict(64), 64));
                    total += begun.elapsed();
                    for _ in 0..batch {
                        drop(store(&mut trie, &context(order[oldest])));
                        oldest = (oldest + 1) % order.len();
                    }
                    done += batch;
                }
                total
            });
        });
    }
}

fn handles(criterion: &mut Criterion) {
    let mut trie = Trie::new(4096);
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let prompt = random(1000, 50_000, &mut rng);
    let seq = store(&mut trie, &prompt);
    criterion.bench_function("trie/fork_and_drop", |bench| bench.iter(|| drop(black_box(seq.clone()))));
    criterion.bench_function("trie/path_1000", |bench| bench.iter(|| black_box(trie.path(&seq))));
}

/// Random tokens in and out of a full cache.
fn inserting(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut trie = Trie::new(262_144);
    for (name, length, vocabulary) in [("trie/insert_7936", 7_936, 1_024), ("trie/churn_2", 32, 2)] {
        let contexts: Vec<Vec<u32>> = (0..200).map(|_| random(length, vocabulary, &mut rng)).collect();
        let mut next = 0;
        criterion.bench_function(name, |bench| {
            bench.iter(|| {
                next = (next + 1) % contexts.len();
                drop(store(&mut trie, &contexts[next]));
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    targets = extend, matching, evicting, handles, inserting
}
criterion_main!(benches);
