//! A search's growth: every leaf of a beam takes a token each step.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_kvtrie::evict::Lru;
use saffron_kvtrie::index::{Index, NodeRef, SlotAllocator};
use saffron_kvtrie::{Reuse, Trie, Want};

use crate::{random, store};

/// A beam of the index alone: every leaf forks its parent, takes a token and a slot, and lets the parent go.
pub(crate) struct Beam {
    index: Index,
    slots: SlotAllocator,
    prompt: Vec<u32>,
    leaves: Vec<NodeRef>,
}

pub(crate) const STEPS: usize = 50;

impl Beam {
    /// A beam of `width` leaves behind a prompt, in an index that holds `others` runs of 64 tokens besides.
    pub(crate) fn new(prompt: usize, width: usize, others: usize) -> Self {
        let capacity = (others * 64 + prompt + width * (STEPS + 1)) as u32;
        let mut beam = Self {
            index: Index::new(Lru::default()),
            slots: SlotAllocator::new(capacity),
            prompt: random(prompt, 50_000, &mut ChaCha8Rng::seed_from_u64(1)),
            leaves: Vec::with_capacity(width),
        };
        for other in 0..others as u32 {
            // Above the vocabulary of the prompt and the steps; held, so that they stay when the beam is cleared.
            let tokens: Vec<u32> = (0..64).map(|place| 1_000_000 + other * 64 + place).collect();
            let node = beam.add(beam.index.root(), &tokens);
            beam.index.pin(node).unwrap_or_else(|error| panic!("{error}"));
        }
        beam.begin(width);
        beam
    }

    fn add(&mut self, below: NodeRef, tokens: &[u32]) -> NodeRef {
        let taken = self.slots.take(tokens.len() as u32);
        let taken: Vec<u32> = taken.into_iter().flatten().flat_map(|run| run.slots()).collect();
        self.index.insert(below, tokens, &taken).map(|(end, _)| end).unwrap_or_else(|error| panic!("{error}"))
    }

    fn begin(&mut self, width: usize) {
        let end = self.add(self.index.root(), &self.prompt.clone());
        self.leaves = vec![end; width];
        self.leaves.iter().for_each(|leaf| self.index.pin(*leaf).unwrap_or_else(|error| panic!("{error}")));
    }

    /// Lets go of everything but what else is stored, and begins again.
    pub(crate) fn restart(&mut self) {
        let leaves = std::mem::take(&mut self.leaves);
        leaves.iter().for_each(|leaf| self.index.unpin(*leaf).unwrap_or_else(|error| panic!("{error}")));
        self.index.evict(usize::MAX, &mut self.slots);
        self.begin(leaves.len());
    }

    pub(crate) fn step(&mut self, step: u32) {
        let run = self.slots.take(self.leaves.len() as u32).unwrap_or_default();
        for (place, (leaf, slot)) in self.leaves.iter_mut().zip(run.iter().flat_map(|run| run.slots())).enumerate() {
            let child = self.index.insert(*leaf, &[step * 64 + place as u32], &[slot]);
            let (child, _) = child.unwrap_or_else(|error| panic!("{error}"));
            self.index.pin(child).and_then(|()| self.index.unpin(*leaf)).unwrap_or_else(|error| panic!("{error}"));
            *leaf = child;
        }
    }

    /// Time of `count` leaves, each a step; a beam begins anew after its last step.
    pub(crate) fn time(&mut self, count: u64) -> Duration {
        let (mut total, mut leaves) = (Duration::ZERO, 0);
        while leaves < count {
            let begun = Instant::now();
            (0..STEPS as u32).for_each(|step| self.step(step));
            total += begun.elapsed();
            leaves += (STEPS * self.leaves.len()) as u64;
            self.restart();
        }
        total.mul_f64(count as f64 / leaves as f64)
    }
}

/// Time per leaf and step.
pub(crate) fn extend(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trie/extend");
    for (prompt, width) in [(100, 16), (100, 64), (100, 256), (1000, 16), (1000, 64), (1000, 256)] {
        group.bench_function(BenchmarkId::new("index", format!("{prompt}x{width}")), |bench| {
            let mut beam = Beam::new(prompt, width, 0);
            bench.iter_custom(|count| beam.time(count));
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
