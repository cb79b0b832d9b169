//! Contexts in and out of a full cache.

use std::time::{Duration, Instant};

use criterion::Criterion;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use saffron_kvtrie::{Seq, Trie};

use crate::{random, store};

/// Tokens of the cache: 33 prompts and a little.
const CAPACITY: u32 = 262_144;

/// Random tokens in and out of a full cache. A cache that has seen thousands of prompts has its free slots in pieces, and prompts in it
/// lie in many runs; so the same is measured in one that was just filled, and in one that grows old while it is measured.
pub(crate) fn inserting(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let prompts: Vec<Vec<u32>> = (0..200).map(|_| random(7_936, 1_024, &mut rng)).collect();
    let short: Vec<Vec<u32>> = (0..200).map(|_| random(32, 2, &mut rng)).collect();
    criterion.bench_function("trie/insert_7936", |bench| bench.iter_custom(|count| newly_full(&prompts, count)));
    let mut trie = Trie::new(CAPACITY);
    for (name, contexts) in [("trie/insert_7936_aged", &prompts), ("trie/churn_2", &short)] {
        let mut contexts = contexts.iter().cycle();
        criterion.bench_function(name, |bench| {
            bench.iter(|| contexts.next().map(|context| drop(store(&mut trie, context))));
        });
    }
}

/// Time of so many insertions, a hundred at most into one cache; filling it is not counted.
fn newly_full(prompts: &[Vec<u32>], count: u64) -> Duration {
    let (mut total, mut left) = (Duration::ZERO, count as usize);
    while left > 0 {
        let mut trie = Trie::new(CAPACITY);
        prompts.iter().take(34).for_each(|prompt| drop(store(&mut trie, prompt)));
        let batch = left.min(100);
        let begun = Instant::now();
        prompts.iter().skip(34).take(batch).for_each(|prompt| drop(store(&mut trie, prompt)));
        total += begun.elapsed();
        left -= batch;
    }
    total
}

/// Contexts of 1 to 64 tokens of a vocabulary of 2 come and go in any order, up to eight held at once, in a cache of 1,024: runs are
/// split until few tokens stand together, and most contexts must make room.
struct Churn {
    trie: Trie,
    held: Vec<Seq>,
    rng: ChaCha8Rng,
    rounds: u64,
}

impl Churn {
    fn new() -> Self {
        Self { trie: Trie::new(1024), held: Vec::new(), rng: ChaCha8Rng::seed_from_u64(6), rounds: 0 }
    }

    /// Stores and holds a context, or lets one go.
    fn round(&mut self) {
        self.rounds += 1;
        let take = self.held.is_empty() || self.held.len() < 8 && self.rng.next_u32().is_multiple_of(2);
        if take {
            let length = 1 + self.rng.next_u32() as usize % 64;
            let tokens = random(length, 2, &mut self.rng);
            self.held.push(store(&mut self.trie, &tokens));
        } else {
            let place = self.rng.next_u32() as usize % self.held.len();
            drop(self.held.swap_remove(place));
        }
    }
}

pub(crate) fn churning(criterion: &mut Criterion) {
    let mut churn = Churn::new();
    criterion.bench_function("trie/S7/churn", |bench| bench.iter(|| churn.round()));
    if churn.rounds == 0 {
        return; // another benchmark was asked for
    }
    let stats = churn.trie.stats();
    let each = |count: u64| count as f64 / churn.rounds as f64;
    eprintln!(
        "trie/S7/churn: a round has {:.2} splits, {:.2} nodes and {:.2} tokens evicted, {:.2} of {:.2} tokens found",
        each(stats.splits),
        each(stats.nodes_evicted),
        each(stats.tokens_evicted),
        each(stats.tokens_hit),
        each(stats.tokens_asked)
    );
    assert_eq!(churn.trie.validate(&[]), Ok(()), "the books are right after all that");
}
